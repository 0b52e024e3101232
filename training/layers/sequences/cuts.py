"""Batches of histories cut at an event, for the models that read a history as a bag of items.

What lies before the cut is the input, each item weighted by its recency, and the target is an event
drawn from what the same user did in the time after it. So a model is trained on prediction, which
it is evaluated on, and not on reconstruction.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from training.data.histories import DAY, FloatArray, Histories, IntArray
from training.layers.sequences.softmax import log_chances, log_never
from training.layers.sequences.windows import Windows, WindowsConfig


@dataclass(frozen=True)
class CutsConfig:
    """``length``: most events read. ``half_life_days``: of an event's weight before the cut.
    ``horizon_days``: how far behind the cut its target may lie. ``negatives``: items drawn for a
    batch beside its targets."""

    length: int = 200
    users_a_batch: int = 512
    half_life_days: float = 120.0
    horizon_days: int = 14
    negatives: int = 1024


@dataclass(frozen=True)
class Bags:
    """Histories of B users without their order. Each user's weights sum to 1."""

    items_N: torch.Tensor
    weights_N: torch.Tensor
    lengths_B: torch.Tensor

    def mean(self, table_ID: torch.Tensor) -> torch.Tensor:
        """means_BD of the rows of each user's items; zeros for a user without any."""
        starts_B = self.lengths_B.cumsum(0) - self.lengths_B
        return F.embedding_bag(
            self.items_N, table_ID, starts_B, mode="sum", per_sample_weights=self.weights_N
        )

    def dropped(self, chance: float) -> "Bags":
        """Dropout of events: the others are scaled up."""
        return Bags(self.items_N, F.dropout(self.weights_N, chance), self.lengths_B)

    def part(self, index: int, count: int) -> "Bags":
        """Every ``count``-th user from ``index`` on."""
        users = torch.arange(len(self.lengths_B), device=self.lengths_B.device)
        keep_N = users.repeat_interleave(self.lengths_B) % count == index
        return Bags(self.items_N[keep_N], self.weights_N[keep_N], self.lengths_B[index::count])


@dataclass(frozen=True)
class Batch:
    """``target_B``: rows of ``candidates_C``, the items of the batch's softmax, ascending;
    ``log_chance_C``: of an item to be among them. ``step``: of training, this batch's. ``user_B``:
    rows of the users in the data; ``moment_B``: of the cut, seconds since 1970."""

    history: Bags
    target_B: torch.Tensor
    candidates_C: torch.Tensor
    log_chance_C: torch.Tensor
    step: int
    user_B: torch.Tensor
    moment_B: torch.Tensor

    @property
    def targets(self) -> int:
        return len(self.target_B)

    def part(self, index: int, count: int) -> "Batch":
        """Every ``count``-th user from ``index`` on; the candidates are those of the whole."""
        return Batch(
            self.history.part(index, count),
            self.target_B[index::count],
            self.candidates_C,
            self.log_chance_C,
            self.step,
            self.user_B[index::count],
            self.moment_B[index::count],
        )


class Cuts:
    """Draws a batch for each step of training from the seed and the step's number."""

    def __init__(
        self, train: Histories, config: CutsConfig, seed: int, device: torch.device
    ) -> None:
        self.train, self.config, self.seed, self.device = train, config, seed, device
        windows = Windows(train, WindowsConfig(horizon_days=config.horizon_days), seed, device)
        self.later_N, self.until_N = windows.later_N, windows.until_N
        self.cuts_C = np.flatnonzero(self.later_N < self.until_N)
        self.first_N = train.starts_U1[train.rows_N]
        counts_I = train.counts_I()
        drawn_share_I = counts_I**0.5 / (counts_I**0.5).sum()
        self.cumulative_I = np.cumsum(drawn_share_I)
        log_never_I = log_never(torch.from_numpy(drawn_share_I), config.negatives)
        share_I = torch.from_numpy(counts_I / counts_I.sum())
        self.log_chance_I = log_chances(log_never_I + log_never(share_I, config.users_a_batch))

    def steps_for(self, epochs: float) -> int:
        """Steps in which each event is a cut ``epochs`` times on average."""
        return int(np.ceil(epochs * len(self.cuts_C) / self.config.users_a_batch))

    def batch(self, step: int) -> Batch:
        random = np.random.default_rng([self.seed, step])
        cuts_B = random.choice(self.cuts_C, self.config.users_a_batch)
        target_B = self.train.items_N[random.integers(self.later_N[cuts_B], self.until_N[cuts_B])]
        drawn_S = np.searchsorted(self.cumulative_I, random.random(self.config.negatives))
        drawn_S = np.minimum(drawn_S, self.train.item_count - 1)
        candidates_C, rows_M = np.unique(np.append(target_B, drawn_S), return_inverse=True)
        candidates = torch.from_numpy(candidates_C.astype(np.int64))
        return Batch(
            self.history(cuts_B),
            torch.from_numpy(rows_M[: len(cuts_B)]).to(self.device),
            candidates.to(self.device),
            self.log_chance_I[candidates].to(self.device),
            step,
            torch.from_numpy(self.train.users_U[self.train.rows_N[cuts_B]]).to(self.device),
            torch.from_numpy(self.train.times_N[cuts_B]).to(self.device),
        )

    def targets(self, cuts_B: IntArray, chance_B: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
        """Items of what followed each cut in time, each drawn by a value in [0, 1)."""
        later_B, until_B = self.later_N[cuts_B], self.until_N[cuts_B]
        return self.train.items_N[later_B + (chance_B * (until_B - later_B)).astype(np.int64)]

    def history(self, cuts_B: IntArray) -> Bags:
        """What lies before each cut."""
        train = self.train
        until_B = self.later_N[cuts_B]  # includes other events at the time of the cut
        lengths_B = np.minimum(until_B - self.first_N[cuts_B], self.config.length)
        past_N = np.arange(lengths_B.sum()) - np.repeat(np.cumsum(lengths_B), lengths_B)
        events_N = past_N + np.repeat(until_B, lengths_B)
        days_N = (np.repeat(train.times_N[cuts_B], lengths_B) - train.times_N[events_N]) / DAY
        return _bags(train, events_N, days_N, lengths_B, self.config, self.device)


def bags(histories: Histories, config: CutsConfig, device: torch.device) -> Bags:
    """Whole histories, for prediction."""
    newest = histories.latest(config.length)
    events_N = np.arange(len(newest.items_N))
    return _bags(newest, events_N, newest.ages_N, newest.lengths_U, config, device)


def _bags(
    histories: Histories,
    events_N: IntArray,
    days_N: FloatArray,
    lengths_B: IntArray,
    config: CutsConfig,
    device: torch.device,
) -> Bags:
    owners_N = np.repeat(np.arange(len(lengths_B)), lengths_B)
    decay_N = 0.5 ** (days_N.astype(np.float64) / config.half_life_days)
    weights_N = histories.weights_N[events_N] * decay_N
    sums_B = np.bincount(owners_N, weights_N, minlength=len(lengths_B))
    weights_N = (weights_N / sums_B[owners_N]).astype(np.float32)
    return Bags(
        torch.from_numpy(histories.items_N[events_N].astype(np.int64)).to(device),
        torch.from_numpy(weights_N).to(device),
        torch.from_numpy(lengths_B).to(device),
    )
