"""The guard against negative transfer (Rosenstein et al. 2005, "To Transfer or Not To Transfer").

A category adopts transfer only if that ranks significantly better than the best alternative, on
users that nothing was tuned on. The alternatives are a model trained from scratch on the target
alone, and popularity; the better one is selected on the tuning users.
"""

import numpy as np
import numpy.typing as npt

from training.evaluation.metrics.intervals import resampled_means
from training.fitting.capabilities import TransferDecision

CONFIDENCE = 0.99  # of many categories: at 95 %, one in forty would be adopted by chance
LEAST_USERS = 25

ADOPTED, REJECTED = "adopted", "rejected"
TRANSFER, SCRATCH, POPULARITY = "transfer", "scratch", "popularity"


Values = dict[str, npt.NDArray[np.float64]]
"""transfer, scratch and popularity -> NDCG@10 of each evaluated user, in one order."""


def decide(category: str, tuning: Values, guarding: Values, seed: int) -> TransferDecision:
    """Decide for one category. ``guarding``: values of users that nothing was tuned on."""
    alternative = max((POPULARITY, SCRATCH), key=lambda name: _mean(tuning[name]))
    users = len(guarding[TRANSFER])
    if users < LEAST_USERS:
        reason = f"{users} users to evaluate on, fewer than {LEAST_USERS}"
        return TransferDecision(category, REJECTED, alternative, reason, users)
    difference_U = guarding[TRANSFER] - guarding[alternative]
    gain = float(difference_U.mean())
    tail = (1 - CONFIDENCE) / 2
    means_R = resampled_means(difference_U[:, None], seed)[:, 0]
    low, high = (float(value) for value in np.quantile(means_R, [tail, 1 - tail]))
    figures = f"{gain:+.4f} [{low:+.4f}, {high:+.4f}] in NDCG@10 over {alternative}"
    if low <= 0:
        return TransferDecision(category, REJECTED, alternative, figures, users, gain, low, high)
    share = gain / float(guarding[TRANSFER].mean())
    return TransferDecision(category, ADOPTED, TRANSFER, figures, users, gain, low, high, share)


def too_small(category: str, reason: str) -> TransferDecision:
    """The decision for a category with too little data to transfer to."""
    return TransferDecision(category, REJECTED, POPULARITY, reason)


def _mean(values_U: npt.NDArray[np.float64]) -> float:
    return float(values_U.mean()) if len(values_U) else 0.0
