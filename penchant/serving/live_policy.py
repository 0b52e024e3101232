"""Draws a slate by the policy that serves a user now, with the chance of every pick.

The pointer of the live policy, or the plan of the running experiment, says which one it is; it is
looked at anew for each slate, so that a promotion or a rollback holds from the next answer on. A
slate is a function of its id, the policy, the candidates and the facts of the release: drawing
it again gives the same.
"""

import hashlib
import json
import threading
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from penchant.bandits.assignment import Served, logged_context, served
from penchant.bandits.learned import LearnedPolicy
from penchant.bandits.policies import alone
from penchant.bandits.slates import ActionScores, FloatArray, drawn, first_position, without
from penchant.errors import DataError
from penchant.releases.context_features import KnownFacts
from penchant.serving.recommending.slate_selection import Candidates, Slate
from penchant.settings import Settings

CHOICE = 3  # candidates for each position of a slate
KEPT_OPEN = 3  # facts of as many releases as publish keeps


class LivePolicies:
    """Picks slates by the policies that serve. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._learned: dict[str, LearnedPolicy] = {}
        self._facts: dict[str, KnownFacts] = {}
        self._lock = threading.Lock()

    def wanted(self, k: int) -> int:
        return CHOICE * k

    def pick(
        self, user_id: str, candidates: Candidates, k: int, slate_id: str, release: Path
    ) -> Slate:
        """A slate of at most ``k`` of the first candidates. Raises DataError where the policy that
        should serve can't be read, or the release has no facts for it."""
        who = served(self._settings, user_id)
        share = who.exploration
        item_ids = candidates.item_ids[: k if share == 0 else self.wanted(k)]
        random = np.random.default_rng(_seed(slate_id, who.policy_id))
        if not item_ids:
            return _slate(who, (), np.zeros((0, 0)), 0.0)
        if share is not None:
            order_BC = -np.arange(len(item_ids), dtype=float)[None]
            votes = alone(order_BC, share, np.ones(order_BC.shape, bool))
        else:
            learned = self._policy(who.policy_id)
            asked = self._facts_of(release).asked(user_id, item_ids)
            votes = learned.votes(asked, random)
            share = float(learned.exploration(asked)[0])
        return _slate(who, *_drawn(votes, min(k, len(item_ids)), random), share)

    def _policy(self, policy_id: str) -> LearnedPolicy:
        with self._lock:
            found = self._learned.get(policy_id)
            if found is None:
                found = self._learned[policy_id] = read_policy(self._settings, policy_id)
            return found

    def _facts_of(self, release: Path) -> KnownFacts:
        with self._lock:
            found = self._facts.get(release.name)
            if found is None:
                found = self._facts[release.name] = KnownFacts.open(release)
                while len(self._facts) > KEPT_OPEN:
                    del self._facts[next(iter(self._facts))]
            return found


def read_policy(settings: Settings, policy_id: str) -> LearnedPolicy:
    """A policy that was promoted. Raises DataError where it is not there, or is none."""
    folder = settings.policies / policy_id
    try:
        described = json.loads((folder / "policy.json").read_text())
        return LearnedPolicy.read(described, load_file(folder / "model.safetensors"))
    except FileNotFoundError:
        raise DataError(
            f"policy {policy_id} is not in {settings.policies}, and is to serve",
            "restore its folder, or learn and promote another",
        ) from None


def _slate(who: Served, places: tuple[int, ...], chances_KC: FloatArray, share: float) -> Slate:
    propensities = tuple(
        float(chance_C[place]) for place, chance_C in zip(places, chances_KC, strict=True)
    )
    context = logged_context(who.experiment_id, share)
    return Slate(places, propensities, who.policy_id, chances_KC, context)


def _drawn(
    votes: ActionScores, length: int, random: np.random.Generator
) -> tuple[tuple[int, ...], FloatArray]:
    """The picks of the one request, and the chances that they were drawn with."""
    picks_K = drawn(votes, length, random).picks_BK[0]
    chances = []
    for pick in picks_K:
        chances.append(first_position(votes)[0])
        votes = without(votes, int(pick))
    return tuple(int(pick) for pick in picks_K), np.stack(chances)


def _seed(slate_id: str, policy_id: str) -> int:
    digest = hashlib.sha256(f"{policy_id}\0{slate_id}".encode()).digest()
    return int.from_bytes(digest[:16], "big")
