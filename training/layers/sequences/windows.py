"""Batches of histories for the models that read a history and predict what comes next.

Each history is cut into windows of at most ``length`` events, and windows of like length share a
batch: where histories average nine events and some have fifty, padding all to fifty would be most
of the work. An epoch reads every event once; its batches are drawn from the seed and its number.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from training.data.histories import DAY, Histories, IntArray, starts

ItemArray = npt.NDArray[np.int32]

TOKEN = -1  # read before the first item, and in place of a masked one


@dataclass(frozen=True)
class WindowsConfig:
    """``length``: most events of a window. ``events_a_batch``: of a batch, padding included.
    ``horizon_days``: how far ahead of a position its target may lie.
    """

    length: int = 50
    events_a_batch: int = 2048
    horizon_days: int = 14


@dataclass(frozen=True)
class Masking:
    """Masked items for a bidirectional model.

    Each window ends with the token at the last position with a target: the next item is predicted
    where nothing follows, as when recommending. ``share``: of the items before it that are masked
    too; in a share ``only_next`` of windows none is. A share ``nothing_read`` of windows is the
    token alone, to learn the prior.
    """

    share: float
    only_next: float
    nothing_read: float = 0.1


@dataclass(frozen=True)
class Details:
    """What is known of each read event beside its item: ``types_BT``, places in ``EVENT_TYPES``,
    and ``ages_BT``, days before the end of the data; 0 of a token that is read first."""

    types_BT: torch.Tensor
    ages_BT: torch.Tensor

    def part(self, index: int, count: int) -> "Details":
        return Details(self.types_BT[index::count], self.ages_BT[index::count])

    def to(self, device: torch.device) -> "Details":
        return Details(self.types_BT.to(device), self.ages_BT.to(device))


@dataclass(frozen=True)
class Batch:
    """``read_BT``: items, or the token; positions from ``lengths_B`` on are padding.

    ``targets_BT``, and whether there is one, ``has_BT``; ``targets``: how many there are. Of the
    whole batch, also in its parts: ``wanted_N``, all targets, and ``step``, which seeds what else
    is drawn for it.
    """

    read_BT: torch.Tensor
    lengths_B: torch.Tensor
    targets_BT: torch.Tensor
    has_BT: torch.Tensor
    targets: int
    wanted_N: torch.Tensor
    step: int
    details: Details

    def part(self, index: int, count: int) -> "Batch":
        """Every ``count``-th window from ``index`` on."""
        read_BT, lengths_B, targets_BT, has_BT = (
            tensor[index::count]
            for tensor in (self.read_BT, self.lengths_B, self.targets_BT, self.has_BT)
        )
        shared = self.wanted_N, self.step, self.details.part(index, count)
        return Batch(read_BT, lengths_B, targets_BT, has_BT, int(has_BT.sum()), *shared)


class Windows:
    """Draws a batch for each step of training.

    Each position's target is an event drawn from those of (now, now + horizon] of the same user:
    the order within a basket carries no information and the next item is often of the same basket,
    so a position predicts the coming weeks (the dense all-action loss of PinnerFormer, Pancha et
    al. 2022). The first position reads the token and predicts any event of its window,
    the prior. With ``masking`` the token stands elsewhere.

    ``wanted``: the events of the same users to predict, where not all that is read is predicted;
    windows that none of them follows are left out. At least one event.
    """

    def __init__(
        self,
        train: Histories,
        config: WindowsConfig,
        seed: int,
        device: torch.device,
        masking: Masking | None = None,
        wanted: Histories | None = None,
    ) -> None:
        self.train, self.config, self.seed, self.device = train, config, seed, device
        self.masking, self.ages_N, self.places_N = masking, train.ages_N, train.places_N
        self.wanted = train if wanted is None else wanted
        self.masked_N = np.isin(train.places_N, self.wanted.places_N)  # of a type to predict
        # One sorted key of user and time finds each event's user's events of (now, now + horizon].
        first_time = min(one.times_N.min(initial=train.end) for one in (train, self.wanted))
        span = int(train.end - first_time) + (config.horizon_days + 1) * DAY

        def key(histories: Histories) -> IntArray:
            return histories.rows_N * span + (histories.times_N - first_time)

        key_N, wanted_key_N = key(train), key(self.wanted)
        self.later_N = np.searchsorted(wanted_key_N, key_N, side="right")
        self.until_N = np.searchsorted(
            wanted_key_N, key_N + config.horizon_days * DAY, side="right"
        )
        # Of a window's own events: from its first one's place to that behind its last one's.
        self.place_N1 = np.arange(len(key_N) + 1)
        if wanted is not None:
            self.place_N1 = np.append(np.searchsorted(wanted_key_N, key_N), len(wanted_key_N))
        self._plan = lru_cache(maxsize=1)(self._plan_of)
        self._first_steps = [0]  # of each epoch so far, and of the one that comes

    def steps_for(self, epochs: float) -> int:
        """As the first epoch has; those after it differ by a few."""
        return int(np.ceil(epochs * len(self._plan(0))))

    def batch(self, step: int) -> Batch:
        """The batch of a step; a function of the seed and the step only."""
        while step >= self._first_steps[-1]:
            plan = self._plan(len(self._first_steps) - 1)
            self._first_steps.append(self._first_steps[-1] + len(plan))
        epoch = bisect_right(self._first_steps, step) - 1
        first_B, past_B = self._plan(epoch)[step - self._first_steps[epoch]]
        random = np.random.default_rng([self.seed, step, 1])
        lengths_B = past_B - first_B
        events_BL = first_B[:, None] + np.arange(int(lengths_B.max()))
        inside_BL = events_BL < past_B[:, None]
        events_BL = np.minimum(events_BL, past_B[:, None] - 1)
        from_BT = np.concatenate([self.place_N1[first_B, None], self.later_N[events_BL]], axis=1)
        to_BT = np.concatenate([self.place_N1[past_B, None], self.until_N[events_BL]], axis=1)
        has_BT = from_BT < to_BT
        has_BT[:, 1:] &= inside_BL
        picked_BT = random.integers(from_BT, np.maximum(to_BT, from_BT + 1))
        targets_BT = self.wanted.items_N[np.where(has_BT, picked_BT, 0)]
        if self.masking:
            events_BT = np.pad(events_BL, ((0, 0), (0, 1)), mode="edge")
            items_BT = self.train.items_N[events_BT]
            return self._masked(self.masking, items_BT, events_BT, targets_BT, has_BT, step)
        events_BT = np.pad(events_BL, ((0, 0), (1, 0)), mode="edge")
        read_BT = self.train.items_N[events_BT]
        read_BT[:, 0] = TOKEN
        return self._batch(read_BT, lengths_B + 1, targets_BT, has_BT, events_BT, step)

    def _masked(
        self,
        masking: Masking,
        items_BT: ItemArray,
        events_BT: IntArray,
        next_BT: ItemArray,
        has_next_BT: npt.NDArray[np.bool_],
        step: int,
    ) -> Batch:
        """``next_BT``: the target after the items before a position, where there is one."""
        random = np.random.default_rng([self.seed, step, 2])
        rows_B = np.arange(len(items_BT))
        last_B = items_BT.shape[1] - 1 - has_next_BT[:, ::-1].argmax(axis=1)
        last_B[random.random(len(rows_B)) < masking.nothing_read] = 0
        share_B1 = masking.share * (random.random((len(rows_B), 1)) >= masking.only_next)
        has_BT = random.random(items_BT.shape) < share_B1
        has_BT &= np.arange(items_BT.shape[1]) < last_B[:, None]
        has_BT &= self.masked_N[events_BT]
        has_BT[rows_B, last_B] = True
        targets_BT = items_BT.copy()
        targets_BT[rows_B, last_B] = next_BT[rows_B, last_B]
        read_BT = np.where(has_BT, TOKEN, items_BT)
        return self._batch(read_BT, last_B + 1, targets_BT, has_BT, events_BT, step)

    def _batch(
        self,
        read_BT: ItemArray,
        lengths_B: IntArray,
        targets_BT: ItemArray,
        has_BT: npt.NDArray[np.bool_],
        events_BT: IntArray,
        step: int,
    ) -> Batch:
        arrays = (read_BT, lengths_B, targets_BT, has_BT, targets_BT[has_BT])
        read, lengths, targets, has, wanted = (
            torch.from_numpy(array if array.dtype == bool else array.astype(np.int64)).to(
                self.device
            )
            for array in arrays
        )
        ages_BT = self.ages_N[events_BT]
        if not self.masking:
            ages_BT[:, 0] = 0
        types_BT = self.places_N[events_BT].astype(np.int64)
        details = Details(torch.from_numpy(types_BT), torch.from_numpy(ages_BT)).to(self.device)
        return Batch(read, lengths, targets, has, len(wanted), wanted, step, details)

    def _plan_of(self, epoch: int) -> list[tuple[IntArray, IntArray]]:
        """The batches of an epoch: first event and past-the-last event of each of their windows."""
        random = np.random.default_rng([self.seed, epoch])
        first_W, past_W = self._cut(random)
        order = np.lexsort((random.random(len(first_W)), past_W - first_W))
        first_W, past_W = first_W[order], past_W[order]
        lengths_W = past_W - first_W
        plan, start = [], 0
        while start < len(lengths_W):
            # The longest is the last, so the widest batch that fits is found by its last window.
            cells = lengths_W[start:] * np.arange(1, len(lengths_W) - start + 1)
            size = max(1, int(np.searchsorted(cells, self.config.events_a_batch, side="right")))
            plan.append((first_W[start : start + size], past_W[start : start + size]))
            start += size
        return [plan[index] for index in random.permutation(len(plan))]

    def _cut(self, random: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Each history in windows of ``length``, cut at places that differ from epoch to epoch."""
        length, train = self.config.length, self.train
        lengths_U = train.lengths_U
        offset_U = np.where(lengths_U > length, random.integers(0, length, len(lengths_U)), 0)
        pieces_U = (lengths_U + offset_U + length - 1) // length
        user_W = np.repeat(np.arange(len(train)), pieces_U)
        piece_W = np.arange(len(user_W)) - np.repeat(np.cumsum(pieces_U) - pieces_U, pieces_U)
        begin_W, end_W = train.starts_U1[user_W], train.starts_U1[user_W + 1]
        first_W = begin_W - offset_U[user_W] + piece_W * length
        past_W = np.minimum(first_W + length, end_W)
        first_W = np.maximum(first_W, begin_W)
        if self.wanted is train:
            return first_W, past_W
        predicting_N1 = starts((self.later_N < self.until_N).astype(np.int64))
        some_W = predicting_N1[first_W] < predicting_N1[past_W]
        some_W |= self.place_N1[first_W] < self.place_N1[past_W]
        return first_W[some_W], past_W[some_W]
