"""Temporal profiles: the times and sizes of visits of synthetic histories.

A synthetic user has the number of visits, the mean size of a visit, the time from the first to the
last and the time since of a sampled real user, each with multiplicative noise. Gaps between visits
and deviations from the mean size are sampled from all users together, so that no real user's times
are reproduced.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from training.data.histories import DAY, FloatArray, Histories, IntArray, starts

LEVELS = 1001  # quantiles by which a distribution is kept
NOISE = 0.1  # standard deviation of a synthetic user's logarithms around a real one's

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Schedule:
    """The visits of B users, oldest first: how many events and when, in seconds since 1970."""

    starts_B1: IntArray
    sizes_V: IntArray
    times_V: IntArray

    @property
    def lengths_B(self) -> IntArray:
        """Events of each user."""
        return np.diff(starts(self.sizes_V)[self.starts_B1])

    def at_most(self, size: int) -> "Schedule":
        """The same visits, of no more events each than ``size``."""
        return Schedule(self.starts_B1, np.minimum(self.sizes_V, size), self.times_V)

    def take(self, rows: IntArray) -> "Schedule":
        """Only these users, in this order."""
        counts = np.diff(self.starts_B1)[rows]
        first = starts(counts)
        picked = np.repeat(self.starts_B1[rows] - first[:-1], counts) + np.arange(first[-1])
        return Schedule(first, self.sizes_V[picked], self.times_V[picked])


@dataclass(frozen=True)
class TemporalProfile:
    """``users_S4``: visits, events a visit, days from the first visit to the last and from there
    to ``end``. ``gaps_Q`` and ``sizes_Q``: quantiles of a gap between visits and of a visit's size,
    as shares of the user's own mean. ``weights_I``: the mean weight of each item's events.
    """

    users_S4: Floats
    gaps_Q: Floats
    sizes_Q: Floats
    weights_I: FloatArray
    end: int

    @classmethod
    def of(cls, train: Histories) -> "TemporalProfile":
        """Events of a user at the same second are one visit."""
        visit_N = visits(train)
        first_V = np.flatnonzero(np.diff(visit_N, prepend=-1))
        user_V, time_V = train.rows_N[first_V], train.times_N[first_V]
        size_V = np.bincount(visit_N).astype(float)
        users, first_S, visits_S = np.unique(user_V, return_index=True, return_counts=True)
        last_S = first_S + visits_S - 1
        span_S = (time_V[last_S] - time_V[first_S]) / DAY
        mean_S = np.add.reduceat(size_V, first_S) / visits_S
        since_S = (train.end - time_V[last_S]) / DAY
        row_V = np.searchsorted(users, user_V)
        inner_V = np.diff(user_V, prepend=-1) == 0  # has a visit before it
        gap_V = np.diff(time_V, prepend=0) / DAY
        mean_gap_V = (span_S / np.maximum(1, visits_S - 1))[row_V]
        weight_I = np.bincount(train.items_N, train.weights_N, minlength=train.item_count)
        return cls(
            np.stack([visits_S, mean_S, span_S, since_S], axis=1),
            _quantiles((gap_V / np.where(mean_gap_V > 0, mean_gap_V, 1))[inner_V]),
            _quantiles(size_V / mean_S[row_V]),
            (weight_I / np.maximum(1, train.counts_I())).astype(np.float32),
            train.end,
        )

    def sample(self, count: int, random: np.random.Generator) -> Schedule:
        """The visits of ``count`` synthetic users."""
        real_B4 = self.users_S4[random.integers(0, len(self.users_S4), count)]
        noisy_B4 = real_B4 * np.exp(NOISE * random.standard_normal((count, 4)))
        visits_B = np.maximum(1, np.rint(noisy_B4[:, 0])).astype(np.int64)
        first_B1 = starts(visits_B)
        owner_V = np.repeat(np.arange(count), visits_B)
        share_V = _sampled(self.sizes_Q, len(owner_V), random)
        size_V = np.floor(share_V * noisy_B4[owner_V, 1] + random.random(len(owner_V)))
        sizes_V = np.clip(size_V, 1, np.count_nonzero(self.weights_I)).astype(np.int64)
        # The gap after each visit but the last, as a share of the time from the first to the last.
        gap_V = np.maximum(_sampled(self.gaps_Q, len(owner_V), random), 1e-6)
        gap_V[first_B1[1:] - 1] = 0
        left_V = np.cumsum(gap_V[::-1])[::-1]  # from each visit on, to the end of the last user
        after_B = np.append(left_V, 0)[first_B1[1:]]
        whole_B = left_V[first_B1[:-1]] - after_B
        left_V = (left_V - after_B[owner_V]) / np.where(whole_B > 0, whole_B, 1)[owner_V]
        place_V = np.repeat(first_B1[1:], visits_B) - np.arange(len(owner_V))  # from 1, the last
        before_V = np.rint((left_V * noisy_B4[owner_V, 2] + noisy_B4[owner_V, 3]) * DAY)
        return Schedule(first_B1, sizes_V, self.end - before_V.astype(np.int64) - place_V)

    def histories(self, schedule: Schedule, items_N: npt.NDArray[np.int32]) -> Histories:
        """The items of a schedule's events as histories of synthetic users (user row -1)."""
        lengths_B = schedule.lengths_B
        return Histories(
            np.full(len(lengths_B), -1),
            starts(lengths_B),
            items_N,
            np.repeat(schedule.times_V, schedule.sizes_V),
            self.weights_I[items_N],
            len(self.weights_I),
            self.end,
        )

    def state(self) -> dict[str, torch.Tensor]:
        return {
            "users_S4": torch.from_numpy(self.users_S4),
            "gaps_Q": torch.from_numpy(self.gaps_Q),
            "sizes_Q": torch.from_numpy(self.sizes_Q),
            "weights_I": torch.from_numpy(self.weights_I),
            "end": torch.tensor(self.end),
        }

    @classmethod
    def load(cls, state: dict[str, torch.Tensor]) -> "TemporalProfile":
        users_S4, gaps_Q, sizes_Q, weights_I = (
            state[name].numpy() for name in ("users_S4", "gaps_Q", "sizes_Q", "weights_I")
        )
        return cls(users_S4, gaps_Q, sizes_Q, weights_I, int(state["end"]))


def visits(histories: Histories) -> IntArray:
    """The number of each event's visit, from 0, counted through all users."""
    starts_N = np.diff(histories.times_N, prepend=-1) != 0
    starts_N |= np.diff(histories.rows_N, prepend=-1) != 0
    return np.cumsum(starts_N) - 1


def _quantiles(values: Floats) -> Floats:
    """Quantiles; without values, the constant 1."""
    if not len(values):
        return np.ones(1)
    return np.quantile(values, np.linspace(0, 1, LEVELS))


def _sampled(quantiles_Q: Floats, count: int, random: np.random.Generator) -> Floats:
    levels_Q = np.linspace(0, 1, len(quantiles_Q))
    found: Floats = np.interp(random.random(count), levels_Q, quantiles_Q)
    return found
