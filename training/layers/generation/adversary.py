"""Segments of histories, real or synthetic, and the discriminator between them.

The discriminator reads from left to right and gives a logit after each event, so one pass gives
the contribution of every sampled item. SeqGAN (Yu et al. 2017) estimates it by Monte Carlo
rollouts of each prefix.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from training.data.histories import Histories, IntArray, starts
from training.layers.generation.temporal_profile import Schedule, visits
from training.layers.sequences.network import Network

LARGEST_ADVANTAGE = 3.0  # in standard deviations


@dataclass(frozen=True)
class Segments:
    """``items_BT`` of B segments; ``begins_BT``: the event is the first of its visit; ``has_BT``:
    there is an event, not padding, which is on the right."""

    items_BT: torch.Tensor
    begins_BT: torch.Tensor
    has_BT: torch.Tensor

    def __len__(self) -> int:
        return len(self.items_BT)

    def take(self, rows: torch.Tensor | slice) -> "Segments":
        return Segments(self.items_BT[rows], self.begins_BT[rows], self.has_BT[rows])

    def with_items(self, items_N: torch.Tensor) -> "Segments":
        """The same visits with other items, given segment by segment."""
        items_BT = torch.zeros_like(self.items_BT)
        items_BT[self.has_BT] = items_N
        return Segments(items_BT, self.begins_BT, self.has_BT)

    def schedule(self) -> Schedule:
        """Their visits, without times."""
        begins_N = self.begins_BT[self.has_BT].numpy()
        sizes_V = np.diff(np.append(np.flatnonzero(begins_N), len(begins_N)))
        counts_B = (self.begins_BT & self.has_BT).sum(dim=1).numpy()
        return Schedule(starts(counts_B), sizes_V, np.zeros(len(sizes_V), np.int64))


class SegmentSampler:
    """Samples real segments of at most ``length`` events that begin with a visit."""

    def __init__(self, histories: Histories, length: int) -> None:
        self.histories, self.length = histories, length
        self.visit_N = visits(histories)
        self.first_V = np.flatnonzero(np.diff(self.visit_N, prepend=-1))
        self.past_N = np.repeat(histories.starts_U1[1:], histories.lengths_U)

    def sample(self, count: int, random: np.random.Generator) -> Segments:
        """A segment's first visit is sampled with probability proportional to its size."""
        first_B = self.first_V[self.visit_N[random.integers(0, len(self.visit_N), count)]]
        return self.at(first_B)

    def at(self, first_B: IntArray) -> Segments:
        events_BT = first_B[:, None] + np.arange(self.length)
        has_BT = events_BT < self.past_N[first_B][:, None]
        events_BT = np.minimum(events_BT, len(self.visit_N) - 1)
        begins_BT = np.diff(self.visit_N[events_BT], axis=1, prepend=-1) != 0
        items_BT = np.where(has_BT, self.histories.items_N[events_BT], 0).astype(np.int64)
        return Segments(*(torch.from_numpy(one) for one in (items_BT, begins_BT, has_BT)))


@dataclass(frozen=True)
class LabelledSegments:
    """A batch for the discriminator: half of the segments are real."""

    segments: Segments
    real_B: torch.Tensor

    @property
    def targets(self) -> int:
        return int(self.segments.has_BT.sum())

    def part(self, index: int, count: int) -> "LabelledSegments":
        rows = slice(index, None, count)
        return LabelledSegments(self.segments.take(rows), self.real_B[rows])


class Discriminator(nn.Module):
    """A gated recurrent unit over features of each event and the events before it.

    Item embeddings are the generator's before the first round, frozen, so that features mean the
    same in all rounds.
    """

    def __init__(self, network: Network, hidden: int) -> None:
        super().__init__()
        self.table_RD: torch.Tensor
        self.row_I: torch.Tensor
        self.log_share_I: torch.Tensor
        self.register_buffer("table_RD", F.normalize(network.embedding.weight.detach().clone()))
        self.register_buffer("row_I", network.row_I.clone())
        log_share_I = network.share_I.clamp(min=1e-7).log()
        log_share_I -= log_share_I.mean()
        self.register_buffer(
            "log_share_I", log_share_I / log_share_I.std(correction=0).clamp(min=1e-3)
        )
        width = 2 * self.table_RD.shape[1] + 4
        self.read = nn.Linear(width, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.logit = nn.Linear(hidden, 1)

    def features(self, segments: Segments) -> torch.Tensor:
        """features_BTF of each event: its item, the product with the mean of the items before,
        their cosine, whether the item occurred before, whether a visit begins, popularity."""
        items_BT = segments.items_BT
        item_BTD = self.table_RD[self.row_I[items_BT]] * segments.has_BT[:, :, None]
        before_BTD = F.normalize(item_BTD.cumsum(dim=1) - item_BTD, dim=2)
        product_BTD = item_BTD * before_BTD
        same_BTT = items_BT[:, :, None] == items_BT[:, None, :]
        again_BT = same_BTT.tril(-1).any(dim=2)
        scalars = (product_BTD.sum(dim=2), again_BT, segments.begins_BT, self.log_share_I[items_BT])
        scalars_BTS = torch.stack([scalar.float() for scalar in scalars], dim=2)
        root = item_BTD.shape[2] ** 0.5
        features_BTF = torch.cat([root * item_BTD, root * product_BTD, scalars_BTS], dim=2)
        return features_BTF * segments.has_BT[:, :, None]

    def forward(self, segments: Segments) -> torch.Tensor:
        """logits_BT that the segment up to each event is real."""
        read_BTH = torch.tanh(self.read(self.features(segments)))
        logits_BT: torch.Tensor = self.logit(self.gru(read_BTH)[0])[:, :, 0]
        return logits_BT

    def loss(self, batch: LabelledSegments) -> torch.Tensor:
        """Cross-entropy after each event."""
        logits_BT, has_BT = self(batch.segments), batch.segments.has_BT
        real_BT = batch.real_B[:, None].float().expand_as(logits_BT)
        return F.binary_cross_entropy_with_logits(logits_BT[has_BT], real_BT[has_BT])


@torch.no_grad()
def advantages(discriminator: Discriminator, segments: Segments, discount: float) -> torch.Tensor:
    """advantage_BT of each sampled item: the discounted sum of the logit's increases from it on,
    minus the mean at its position, in standard deviations.

    With a discount of 1 this is the final logit minus the logit before the item: SeqGAN's reward,
    with the discriminator's earlier output as the critic.
    """
    has_BT = segments.has_BT
    logits_BT = discriminator(segments)
    gains_BT = torch.diff(logits_BT, dim=1, prepend=torch.zeros_like(logits_BT[:, :1])) * has_BT
    ahead_BT = gains_BT.clone()
    for place in range(gains_BT.shape[1] - 2, -1, -1):
        ahead_BT[:, place] += discount * ahead_BT[:, place + 1]
    mean_T = (ahead_BT * has_BT).sum(dim=0) / has_BT.sum(dim=0).clamp(min=1)
    ahead_BT = (ahead_BT - mean_T) * has_BT
    scale = (ahead_BT.square().sum() / has_BT.sum()).sqrt().clamp(min=1e-6)
    return (ahead_BT / scale).clamp(-LARGEST_ADVANTAGE, LARGEST_ADVANTAGE)
