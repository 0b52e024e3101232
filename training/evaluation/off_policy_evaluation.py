"""Off-policy evaluation of families that select actions: estimated clicks on the later part of the
policy log, and the logged clicks.

Each logged action is evaluated on its own, among its candidates: those logged for its position of
the slate, given the earlier positions, or else all items that the log has in its placement. A click
is assumed to depend on the position, not on the other items of the slate (item-position model: Li
et al. 2018, "Offline Evaluation of Ranking Policies with Click Models").
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from penchant.artifacts import PolicyDescription
from penchant.bandits.context_features import FEATURE_NAMES, ContextCounts
from penchant.bandits.slates import BoolArray, FloatArray, IntArray, action_probabilities
from training.data.policy_log import PolicyLog
from training.evaluation.context import EvaluationContext, Figures
from training.evaluation.metrics.intervals import bootstrap
from training.evaluation.metrics.off_policy import estimates, logged
from training.fitting.capabilities import ChoosesActions
from training.fitting.family import Family
from training.layers.action_features import context_counts, context_features_of

CLIP = 20.0
BATCH = 500  # actions: bounds the memory of their candidates
HEADLINE = "DR"


def evaluate(family: Family, context: EvaluationContext) -> Figures:
    """For each window with logged actions: estimated and logged clicks per action.

    Writes ``policy.json``, the description of the policy for serving. Raises DataError where the
    log has no support for the policy.
    """
    assert isinstance(family, ChoosesActions)
    log = context.training.policy_log()
    facts = context_counts(context.dataset.histories, context.dataset.items, log)
    windows = {}
    for name, window in context.windows(family):
        shown = log.between(window.histories.end, window.targets.end)
        if len(shown):
            windows[name] = evaluated(family, facts, shown, log, context.seed)
    description = PolicyDescription(features=FEATURE_NAMES, settings=asdict(family.config))
    description.write(PolicyDescription.path(context.folder))
    return {"windows": windows, "headline": _headline(windows)}


def evaluated(
    family: ChoosesActions, facts: ContextCounts, shown: PolicyLog, log: PolicyLog, seed: int
) -> dict[str, Any]:
    """Estimated clicks of ``family`` on the actions of ``shown``, a part of ``log``.

    ``choices``: share of actions with more than one candidate. ``by_policy``: logged clicks of each
    logging policy.
    """
    probability_N, predicted_N, value_N, left_N = np.zeros((4, len(shown)))
    random = np.random.default_rng(seed)
    for rows, items_BC, rank_BC, present_BC in _offered(shown, log):
        asked = context_features_of(facts, shown.take(rows), items_BC, rank_BC, present_BC)
        chances_BC = action_probabilities(family.action_scores(asked, random))
        clicks_BC = family.expected_clicks(asked)
        action_B = ((items_BC == shown.items_N[rows][:, None]) & present_BC).argmax(axis=1)
        everyone_B = np.arange(len(rows))
        probability_N[rows] = chances_BC[everyone_B, action_B]
        predicted_N[rows] = clicks_BC[everyone_B, action_B]
        value_N[rows] = (chances_BC * clicks_BC).sum(axis=1)
        left_N[rows] = present_BC.sum(axis=1)
    found = logged(
        shown.clicked_N,
        shown.propensity_N,
        probability_N,
        predicted_N,
        value_N,
        shown.slates_N,
    )
    return {
        "actions": len(shown),
        "choices": float((left_N > 1).mean()),
        "effective_size": found.effective_size,
        "logged": asdict(bootstrap(_by_slate(shown), seed)),
        "by_policy": {
            name: _earned(shown.take(np.flatnonzero(shown.policies_N == row)), seed)
            for row, name in enumerate(shown.policies)
            if (shown.policies_N == row).any()
        },
        "estimates": {name: asdict(one) for name, one in estimates(found, seed, clip=CLIP).items()},
    }


def _offered(
    shown: PolicyLog, log: PolicyLog
) -> Iterator[tuple[IntArray, IntArray, FloatArray, BoolArray]]:
    """Rows of ``shown`` with items_BC, rank_BC and present_BC of their candidates."""
    for rows in _parts(np.flatnonzero(shown.offers_N >= 0)):
        yield rows, *log.offers.of(shown.offers_N[rows])
    alone_N = shown.offers_N < 0
    for place in np.unique(shown.places_N[alone_N]):
        candidates_C = np.unique(log.items_N[log.places_N == place])
        for rows in _parts(np.flatnonzero(alone_N & (shown.places_N == place))):
            items_BC = np.broadcast_to(candidates_C, (len(rows), len(candidates_C)))
            yield rows, items_BC, np.zeros(items_BC.shape), np.ones(items_BC.shape, bool)


def _parts(rows_N: IntArray) -> list[IntArray]:
    return np.array_split(rows_N, -(-len(rows_N) // BATCH)) if len(rows_N) else []


def _earned(shown: PolicyLog, seed: int) -> dict[str, Any]:
    return {"actions": len(shown), **asdict(bootstrap(_by_slate(shown), seed))}


def _by_slate(shown: PolicyLog) -> FloatArray:
    """Clicks per action of each slate."""
    _, slate_N = np.unique(shown.slates_N, return_inverse=True)
    return np.bincount(slate_N, shown.clicked_N) / np.bincount(slate_N)


def _headline(windows: dict[str, Any]) -> str:
    if "test" not in windows:
        return ""
    found, was = windows["test"]["estimates"][HEADLINE], windows["test"]["logged"]
    return (
        f"test clicks per action by {HEADLINE} {found['value']:.4f} "
        f"[{found['low']:.4f}, {found['high']:.4f}], logged {was['mean']:.4f}"
    )
