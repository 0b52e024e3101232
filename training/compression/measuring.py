"""Quality and latency of a compressed form of a run."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from training.data.histories import Histories
from training.data.split import Window
from training.evaluation.metrics.full_ranking import Scorer, evaluate_window, parts
from training.evaluation.metrics.intervals import resampled_means

METRIC = "ndcg@10"
TIMED_USERS = 400
REQUESTS = 100

Encode = Callable[[Histories], Any]
Compare = Callable[[Any], torch.Tensor]
"""Of the answer of an ``Encode``: scores_BI."""


def ndcg(score: Scorer, window: Window, population: str = "all") -> dict[int, float]:
    """NDCG@10 of each evaluated user, by row."""
    found = evaluate_window(score, window, (population,))[population]
    return dict(zip(found.users.tolist(), found.values[METRIC].tolist(), strict=True))


def lost(before: dict[int, float], after: dict[int, float], seed: int) -> dict[str, Any]:
    """Mean NDCG@10 after, and the lost share of that before, with a paired interval.

    Both are resampled on the same users, so the interval excludes the variance between users. The
    share is 0 where nothing was there before.
    """
    pairs_U2 = np.array([[before[user], after[user]] for user in sorted(before)])
    means_R2 = resampled_means(pairs_U2, seed)
    (was, now), shares_R = pairs_U2.mean(axis=0), share(means_R2[:, 0], means_R2[:, 1])
    low, high = np.quantile(shares_R, [0.025, 0.975])
    mean = float(share(np.array([was]), np.array([now]))[0])
    return {
        METRIC: float(now),
        "before": float(was),
        "share": {"mean": mean, "low": float(low), "high": float(high)},
    }


def share(before_R: np.ndarray, after_R: np.ndarray) -> np.ndarray:
    """Lost share; 0 where ``before`` is 0."""
    return (before_R - after_R) / np.where(before_R > 0, before_R, 1)


def milliseconds(encode: Encode, compare: Compare, histories: Histories) -> dict[str, float]:
    """Milliseconds of a user: ``encode``, from the history to a vector, and ``compare``, from there
    to the scores of the whole catalogue, in batches as they are evaluated; ``request``, all of it
    for one user alone (the median)."""
    order_U = np.argsort(histories.lengths_U, kind="stable")
    some = order_U[np.linspace(0, len(order_U) - 1, min(TIMED_USERS, len(order_U))).astype(int)]
    timed = histories.take(some)
    alone = np.linspace(0, len(timed) - 1, min(REQUESTS, len(timed))).astype(int)
    _seconds(encode, compare, timed.take(alone[:1]))  # warm-up
    batches = [_seconds(encode, compare, part) for part in parts(timed)]
    requests = [
        sum(_seconds(encode, compare, timed.take(alone[at : at + 1]))) for at in range(len(alone))
    ]
    encoded, compared = (1000 * sum(seconds) / len(timed) for seconds in zip(*batches, strict=True))
    return {
        "encode": round(encoded, 4),
        "compare": round(compared, 4),
        "request": round(1000 * float(np.median(requests)), 4),
    }


@torch.no_grad()
def _seconds(encode: Encode, compare: Compare, batch: Histories) -> tuple[float, float]:
    started = time.perf_counter()
    encoded = encode(batch)
    between = time.perf_counter()
    compare(encoded)
    return between - started, time.perf_counter() - between
