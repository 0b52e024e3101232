"""Batches of users at moments of the training data, and the interests that they then act on.

For classifiers that learn by gradient: each step draws users and moments anew, so that the
model does not overfit to fixed fortnights.
"""

from dataclasses import dataclass

import numpy as np
import torch

from training.data.histories import DAY, Histories, IntArray
from training.data.interest_labels import NO_INTEREST
from training.data.split import WINDOW_DAYS


@dataclass(frozen=True)
class Read:
    """The newest L events of B users, the newest last; before the first event there is padding.

    ``items_BL``: item rows, ``NO_ITEM`` where there is none. ``ages_BL``: days before the moment.
    """

    items_BL: torch.Tensor
    ages_BL: torch.Tensor

    def to(self, device: torch.device) -> "Read":
        return Read(self.items_BL.to(device), self.ages_BL.to(device))


NO_ITEM = -1


@dataclass(frozen=True)
class Batch:
    """``label_BC``: whether each interest is acted on in the fortnight after the moment; 0 or 1."""

    read: Read
    label_BC: torch.Tensor

    @property
    def targets(self) -> int:
        return len(self.label_BC)

    def part(self, index: int, count: int) -> "Batch":
        """Every ``count``-th user from ``index`` on."""
        read = Read(self.read.items_BL[index::count], self.read.ages_BL[index::count])
        return Batch(read, self.label_BC[index::count])


class Moments:
    """Draws a batch for each step from the seed and the step's number.

    A moment is in the last ``days`` of the training data and a fortnight before its end, or at the
    fortnight's beginning where the data is shorter. Users without events before it are not drawn.
    """

    def __init__(
        self,
        train: Histories,
        interest_I: IntArray,
        interests: int,
        days: float,
        length: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.train, self.interest_I, self.interests = train, interest_I, interests
        self.length, self.seed, self.device = length, seed, device
        self.first = int(train.times_N.min())
        self.last = max(self.first + 1, train.end - WINDOW_DAYS * DAY)
        self.earliest = int(min(self.last - 1, max(self.first, self.last - days * DAY)))
        self.span = train.end - self.first + 1
        self.key_N = train.rows_N * self.span + (train.times_N - self.first)
        came_U = np.full(len(train), self.last)
        has_U = train.lengths_U > 0
        came_U[has_U] = train.times_N[train.starts_U1[:-1][has_U]] + 1
        self.users = np.flatnonzero(came_U <= self.last)
        self.came_U = np.maximum(came_U, self.earliest)

    def steps_for(self, epochs: float, size: int) -> int:
        """Steps of ``size`` in which each user is drawn ``epochs`` times in each fortnight that
        the moments are of, on average."""
        fortnights = max(1.0, (self.last - self.earliest) / (WINDOW_DAYS * DAY))
        return int(np.ceil(epochs * fortnights * len(self.users) / size))

    def batch(self, step: int, size: int) -> Batch:
        random = np.random.default_rng([self.seed, step])
        users_B = random.choice(self.users, size)
        moment_B = random.integers(self.came_U[users_B], self.last + 1)
        now_B = self._events_before(users_B, moment_B)
        until_B = self._events_before(users_B, moment_B + WINDOW_DAYS * DAY)
        label_BC = self._labels(now_B, until_B)
        read = read_events(self.train, self.train.starts_U1[users_B], now_B, moment_B, self.length)
        return Batch(read.to(self.device), torch.from_numpy(label_BC).to(self.device))

    def _events_before(self, users_B: IntArray, moment_B: IntArray) -> IntArray:
        """Past the last event of each user before a moment, as a place in the arrays over N."""
        since_B = np.minimum(moment_B - self.first, self.span - 1)
        return np.searchsorted(self.key_N, users_B * self.span + since_B)

    def _labels(self, now_B: IntArray, until_B: IntArray) -> np.ndarray:
        lengths_B = until_B - now_B
        rows_M = np.repeat(np.arange(len(now_B)), lengths_B)
        events_M = np.arange(lengths_B.sum()) + np.repeat(
            now_B - np.cumsum(lengths_B) + lengths_B, lengths_B
        )
        interest_M = self.interest_I[self.train.items_N[events_M]]
        label_BC = np.zeros((len(now_B), self.interests), np.float32)
        has_M = interest_M != NO_INTEREST
        label_BC[rows_M[has_M], interest_M[has_M]] = 1
        return label_BC


def read_histories(histories: Histories, length: int) -> Read:
    """Whole histories, for prediction."""
    ends_B = np.full(len(histories), histories.end)
    return read_events(histories, histories.starts_U1[:-1], histories.starts_U1[1:], ends_B, length)


def read_events(
    histories: Histories, first_B: IntArray, past_B: IntArray, moment_B: IntArray, length: int
) -> Read:
    """Of the events from ``first_B`` up to ``past_B``, as places in the arrays over N."""
    events_BL = past_B[:, None] - length + np.arange(length)
    inside_BL = events_BL >= first_B[:, None]
    events_BL = np.where(inside_BL, events_BL, 0)
    if not len(histories.items_N):  # nobody has any
        return Read(
            torch.full(events_BL.shape, NO_ITEM), torch.zeros(events_BL.shape, dtype=torch.float32)
        )
    items_BL = np.where(inside_BL, histories.items_N[events_BL], NO_ITEM)
    ages_BL = np.where(inside_BL, (moment_B[:, None] - histories.times_N[events_BL]) / DAY, 0.0)
    return Read(
        torch.from_numpy(items_BL.astype(np.int64)), torch.from_numpy(ages_BL.astype(np.float32))
    )
