"""Selects slates with the policy that serves a user now, and knows the propensity of each action.

The pointer of the live policy, or the plan of the running experiment, is read again for each slate:
a promotion or a rollback takes effect with the next answer. A slate is a function of its id, the
policy, the candidates and the release's context counts: the same inputs give the same slate.
"""

import hashlib
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np

from penchant.artifacts import PolicyDescription
from penchant.bandits.assignment import PolicyAssignment, assign, logged_context
from penchant.bandits.learned import LearnedPolicy
from penchant.bandits.policies import single_scorer
from penchant.bandits.slates import FloatArray, draw_slate
from penchant.encryption.weights import read_weights
from penchant.errors import DataError
from penchant.releases.context_features import PublishedContext
from penchant.serving.recommending.slate_selection import Slate, SlateCandidates
from penchant.settings import Settings

CANDIDATES_PER_POSITION = 3
EXPLORED = 20
"""Positions of a slate that are drawn; later ones, which few users see, keep the order. The log of
a slate grows with the square of this number."""
MAX_OPEN = 3  # releases whose context counts stay open, as many as publishing keeps


class LivePolicies:
    """A ``SlateSelector`` for the policies that serve. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._learned: dict[str, LearnedPolicy] = {}
        self._contexts: dict[str, PublishedContext] = {}
        self._lock = threading.Lock()

    def candidates_needed(self, k: int) -> int:
        return max(k, CANDIDATES_PER_POSITION * min(k, EXPLORED))

    def select(
        self, user_id: str, candidates: SlateCandidates, k: int, slate_id: str, release: Path
    ) -> Slate:
        """A slate of at most ``k`` of the first candidates. Raises DataError where the policy can't
        be read or the release has no context counts for it."""
        assignment = assign(self._settings, user_id)
        policy_id, share = assignment.policy_id, assignment.exploration
        length = min(k, len(candidates))
        if share == 0:  # nothing is drawn
            return _slate(assignment, tuple(range(length)), None, 0.0)
        drawn = min(length, EXPLORED)
        item_ids = candidates.item_ids[: CANDIDATES_PER_POSITION * drawn]
        if not item_ids:
            return _slate(assignment, (), None, 0.0)
        random = np.random.default_rng(_seed(slate_id, policy_id))
        if share is not None:
            order_BC = -np.arange(len(item_ids), dtype=float)[None]
            scores = single_scorer(order_BC, share, np.ones(order_BC.shape, bool))
        else:
            learned = self._policy(policy_id)
            context = self._context_of(release).features(user_id, item_ids)
            scores = learned.action_scores(context, random)
            share = float(learned.exploration_share(context)[0])
        actions, propensities_KC = draw_slate(scores, drawn, random)
        return _continued(_slate(assignment, actions, propensities_KC, share), length)

    def _policy(self, policy_id: str) -> LearnedPolicy:
        with self._lock:
            found = self._learned.get(policy_id)
            if found is None:
                found = self._learned[policy_id] = read_policy(self._settings, policy_id)
            return found

    def _context_of(self, release: Path) -> PublishedContext:
        with self._lock:
            found = self._contexts.get(release.name)
            if found is None:
                found = self._contexts[release.name] = PublishedContext.open(release)
                while len(self._contexts) > MAX_OPEN:
                    del self._contexts[next(iter(self._contexts))]
            return found


def read_policy(settings: Settings, policy_id: str) -> LearnedPolicy:
    """A promoted policy. Raises DataError where it is missing or can't be used."""
    folder = settings.policies / policy_id
    try:
        description = PolicyDescription.read(PolicyDescription.path(folder))
        return LearnedPolicy.read(description, read_weights(folder / "model.safetensors"))
    except FileNotFoundError:
        raise DataError(
            f"policy {policy_id} is live, but {folder} is missing",
            "restore the folder, or train and promote another policy",
        ) from None


def _slate(
    assignment: PolicyAssignment,
    actions: tuple[int, ...],
    propensities_KC: FloatArray | None,
    share: float,
) -> Slate:
    """``propensities_KC``: None where nothing was drawn."""
    propensities = (1.0,) * len(actions)
    if propensities_KC is not None:
        propensities = tuple(propensities_KC[range(len(actions)), actions].tolist())
    context = logged_context(assignment.experiment_id, share)
    return Slate(actions, propensities, assignment.policy_id, propensities_KC, context)


def _continued(slate: Slate, length: int) -> Slate:
    """The slate up to a length, with the candidates that are left, in their order."""
    chosen, missing = set(slate.actions), length - len(slate.actions)
    left = [action for action in range(length) if action not in chosen][:missing]
    return replace(
        slate,
        actions=(*slate.actions, *left),
        propensities=(*slate.propensities, *(1.0,) * missing),
    )


def _seed(slate_id: str, policy_id: str) -> int:
    digest = hashlib.sha256(f"{policy_id}\0{slate_id}".encode()).digest()
    return int.from_bytes(digest[:16], "big")
