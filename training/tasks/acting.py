"""The judge of families that choose actions: what the policy would have earned on the later part of
the log, by off-policy estimates, beside what the logging policies did earn.

Each position is judged on its own, against all items that the log ever showed in that place:
whether a pick is clicked is taken to depend on where it stands, not on what stands beside it (the
item-position model: Li et al. 2018, Offline Evaluation of Ranking Policies with Click Models).
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from penchant.policy.slates import FloatArray, first_position
from penchant.storage import write_json
from training.data import Histories
from training.family import ChoosesActions
from training.intervals import bootstrap
from training.policies.action_features import NAMES
from training.policies.off_policy import estimates, logged
from training.policies.policy_log import Asked, PolicyLog
from training.tasks.case import Case

CLIP = 20.0
AT_ONCE = 500  # picks, against the memory of all of their candidates
HEADLINE = "DR"


def judge(family: ChoosesActions, case: Case) -> dict[str, Any]:
    """The record's entry: for each window with picks the policy's estimated clicks a pick, and what
    was logged. Writes ``policy.json``, which names what the arrays in the run's weights are.

    Raises DataError where the log says nothing of what the policy would show.
    """
    log = case.bench.policy_log()
    windows = {}
    for name, window in case.windows(family):  # type: ignore[arg-type]
        start, end = window.histories.end, window.targets.end
        shown = log.between(start, end)
        if len(shown):
            windows[name] = _judged(family, shown, window.histories, log, case.seed)
    config = asdict(family.config)  # type: ignore[attr-defined]
    write_json(case.folder / "policy.json", {**config, "features": NAMES})
    return {"windows": windows, "headline": _headline(windows)}


def _judged(
    family: ChoosesActions, shown: PolicyLog, histories: Histories, log: PolicyLog, seed: int
) -> dict[str, Any]:
    probability_N, predicted_N, value_N = np.zeros((3, len(shown)))
    random = np.random.default_rng(seed)
    for place in np.unique(shown.places_N):
        candidates_C = np.unique(log.items_N[log.places_N == place])
        rows_N = np.flatnonzero(shown.places_N == place)
        for rows in np.array_split(rows_N, -(-len(rows_N) // AT_ONCE)):
            asked = Asked(histories, shown.users_N[rows], shown.positions_N[rows], candidates_C)
            chances_BC = first_position(family.votes(asked, random))
            clicks_BC = family.expected(asked)
            pick_B = np.searchsorted(candidates_C, shown.items_N[rows])
            everyone_B = np.arange(len(rows))
            probability_N[rows] = chances_BC[everyone_B, pick_B]
            predicted_N[rows] = clicks_BC[everyone_B, pick_B]
            value_N[rows] = (chances_BC * clicks_BC).sum(axis=1)
    judged = logged(
        shown.clicked_N,
        shown.propensity_N,
        probability_N,
        predicted_N,
        value_N,
        shown.slates_N,
    )
    return {
        "picks": len(shown),
        "effective_size": judged.effective_size,
        "logged": asdict(bootstrap(_by_slate(shown), seed)),
        "estimates": {
            name: asdict(one) for name, one in estimates(judged, seed, clip=CLIP).items()
        },
    }


def _by_slate(shown: PolicyLog) -> FloatArray:
    """clicks a pick of each slate."""
    _, slate_N = np.unique(shown.slates_N, return_inverse=True)
    return np.bincount(slate_N, shown.clicked_N) / np.bincount(slate_N)


def _headline(windows: dict[str, Any]) -> str:
    if "test" not in windows:
        return ""
    found, was = windows["test"]["estimates"][HEADLINE], windows["test"]["logged"]
    return (
        f"test clicks a pick by {HEADLINE} {found['value']:.4f} "
        f"[{found['low']:.4f}, {found['high']:.4f}], logged {was['mean']:.4f}"
    )
