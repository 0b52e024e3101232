"""The guard against negative transfer: a category takes what was moved to it only if that ranks
better than what there is without, by more than the interval, on users that nothing was tuned on.

What there is without is the better of a model learned from scratch on the target alone and of
popularity; which, is found on the tuning users. Rosenstein et al. 2005, "To Transfer or Not To
Transfer", name the danger.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.evaluation.metrics.intervals import resampled_means

CONFIDENCE = 0.99  # many categories are asked: at 95 % one in forty would be taken by luck
LEAST_USERS = 25

ADOPTED, FELL_BACK = "adopted", "fell back"
TRANSFER, SCRATCH, POPULARITY = "transfer", "scratch", "popularity"


@dataclass(frozen=True)
class Verdict:
    """What the guard says of one target category.

    ``status``: adopted, or fell back to ``served``: scratch or popularity. ``gain``: in NDCG@10
    among the category's items, of transfer over the better of those two, with its interval of
    CONFIDENCE; None where too few users were there to tell. ``share``: of the NDCG@10 that the
    category is served with, what came by transfer; 0 where it fell back.
    """

    category: str
    status: str
    served: str
    reason: str
    users: int = 0
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    share: float = 0.0


Values = dict[str, npt.NDArray[np.float64]]
"""transfer, scratch and popularity -> NDCG@10 of each judged user, in one order."""


def evaluated(category: str, tuning: Values, guarding: Values, seed: int) -> Verdict:
    """The verdict of one category. ``guarding``: of users whom nothing was tuned on."""
    without = max((POPULARITY, SCRATCH), key=lambda name: _mean(tuning[name]))
    users = len(guarding[TRANSFER])
    if users < LEAST_USERS:
        reason = f"{users} users to judge by, fewer than {LEAST_USERS}"
        return Verdict(category, FELL_BACK, without, reason, users)
    difference_U = guarding[TRANSFER] - guarding[without]
    gain = float(difference_U.mean())
    tail = (1 - CONFIDENCE) / 2
    means_R = resampled_means(difference_U[:, None], seed)[:, 0]
    low, high = (float(value) for value in np.quantile(means_R, [tail, 1 - tail]))
    figures = f"{gain:+.4f} [{low:+.4f}, {high:+.4f}] in NDCG@10 over {without}"
    if low <= 0:
        return Verdict(category, FELL_BACK, without, figures, users, gain, low, high)
    share = gain / float(guarding[TRANSFER].mean())
    return Verdict(category, ADOPTED, TRANSFER, figures, users, gain, low, high, share)


def unjudged(category: str, reason: str) -> Verdict:
    """Of a category that has too little to move anything to."""
    return Verdict(category, FELL_BACK, POPULARITY, reason)


def _mean(values_U: npt.NDArray[np.float64]) -> float:
    return float(values_U.mean()) if len(values_U) else 0.0
