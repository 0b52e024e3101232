"""Stretches of histories, real or made up, and the discriminator that tells them apart.

It reads from left to right and says after each event how real the stretch is so far, as a logit. So
one reading gives what SeqGAN (Yu et al. 2017) finds by playing each prefix to its end many times:
what a draw adds to the judgement of the whole.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from training.data.histories import Histories, IntArray, starts
from training.layers.generation.temporal_profile import Schedule, visits
from training.layers.sequences.next_item import Network

LARGEST_ADVANTAGE = 3.0  # in standard deviations


@dataclass(frozen=True)
class Stretches:
    """``items_BT`` of B stretches; ``begins_BT``: is an event the first of its visit; ``has_BT``:
    is there an event, or padding on the right."""

    items_BT: torch.Tensor
    begins_BT: torch.Tensor
    has_BT: torch.Tensor

    def __len__(self) -> int:
        return len(self.items_BT)

    def take(self, rows: torch.Tensor | slice) -> "Stretches":
        return Stretches(self.items_BT[rows], self.begins_BT[rows], self.has_BT[rows])

    def with_items(self, items_N: torch.Tensor) -> "Stretches":
        """The same visits of other items, given stretch after stretch."""
        items_BT = torch.zeros_like(self.items_BT)
        items_BT[self.has_BT] = items_N
        return Stretches(items_BT, self.begins_BT, self.has_BT)

    def schedule(self) -> Schedule:
        """Their visits, of no time."""
        begins_N = self.begins_BT[self.has_BT].numpy()
        sizes_V = np.diff(np.append(np.flatnonzero(begins_N), len(begins_N)))
        counts_B = (self.begins_BT & self.has_BT).sum(dim=1).numpy()
        return Schedule(starts(counts_B), sizes_V, np.zeros(len(sizes_V), np.int64))


class Stock:
    """Real stretches of at most ``length`` events, each from the beginning of a visit."""

    def __init__(self, histories: Histories, length: int) -> None:
        self.histories, self.length = histories, length
        self.visit_N = visits(histories)
        self.first_V = np.flatnonzero(np.diff(self.visit_N, prepend=-1))
        self.past_N = np.repeat(histories.starts_U1[1:], histories.lengths_U)

    def draw(self, count: int, random: np.random.Generator) -> Stretches:
        """Each event is as likely as any other to be in the first visit."""
        first_B = self.first_V[self.visit_N[random.integers(0, len(self.visit_N), count)]]
        return self.at(first_B)

    def at(self, first_B: IntArray) -> Stretches:
        events_BT = first_B[:, None] + np.arange(self.length)
        has_BT = events_BT < self.past_N[first_B][:, None]
        events_BT = np.minimum(events_BT, len(self.visit_N) - 1)
        begins_BT = np.diff(self.visit_N[events_BT], axis=1, prepend=-1) != 0
        items_BT = np.where(has_BT, self.histories.items_N[events_BT], 0).astype(np.int64)
        return Stretches(*(torch.from_numpy(one) for one in (items_BT, begins_BT, has_BT)))


@dataclass(frozen=True)
class Labelled:
    """A batch for the discriminator: half of the stretches are real."""

    stretches: Stretches
    real_B: torch.Tensor

    @property
    def targets(self) -> int:
        return int(self.stretches.has_BT.sum())

    def part(self, index: int, count: int) -> "Labelled":
        rows = slice(index, None, count)
        return Labelled(self.stretches.take(rows), self.real_B[rows])


class Discriminator(nn.Module):
    """A gated recurrent unit over what each event is beside those before it.

    It sees items as the generator's embeddings of before the first round, which it doesn't change,
    so that what it looks at stays the same through all rounds.
    """

    def __init__(self, network: Network, hidden: int) -> None:
        super().__init__()
        self.table_RD: torch.Tensor
        self.row_I: torch.Tensor
        self.fame_I: torch.Tensor
        self.register_buffer("table_RD", F.normalize(network.embedding.weight.detach().clone()))
        self.register_buffer("row_I", network.row_I.clone())
        fame_I = network.share_I.clamp(min=1e-7).log()
        fame_I -= fame_I.mean()
        self.register_buffer("fame_I", fame_I / fame_I.std(correction=0).clamp(min=1e-3))
        width = 2 * self.table_RD.shape[1] + 4
        self.read = nn.Linear(width, hidden)
        self.cells = nn.GRU(hidden, hidden, batch_first=True)
        self.says = nn.Linear(hidden, 1)

    def seen(self, stretches: Stretches) -> torch.Tensor:
        """seen_BTF of each event: its item, the same times the mean of those before, their cosine,
        whether it was there before, whether its visit begins, and how often it is bought."""
        items_BT = stretches.items_BT
        item_BTD = self.table_RD[self.row_I[items_BT]] * stretches.has_BT[:, :, None]
        before_BTD = F.normalize(item_BTD.cumsum(dim=1) - item_BTD, dim=2)
        product_BTD = item_BTD * before_BTD
        same_BTT = items_BT[:, :, None] == items_BT[:, None, :]
        again_BT = same_BTT.tril(-1).any(dim=2)
        scalars = (product_BTD.sum(dim=2), again_BT, stretches.begins_BT, self.fame_I[items_BT])
        scalars_BTS = torch.stack([scalar.float() for scalar in scalars], dim=2)
        root = item_BTD.shape[2] ** 0.5
        seen_BTF = torch.cat([root * item_BTD, root * product_BTD, scalars_BTS], dim=2)
        return seen_BTF * stretches.has_BT[:, :, None]

    def forward(self, stretches: Stretches) -> torch.Tensor:
        """logits_BT that what was read so far is real."""
        read_BTH = torch.tanh(self.read(self.seen(stretches)))
        logits_BT: torch.Tensor = self.says(self.cells(read_BTH)[0])[:, :, 0]
        return logits_BT

    def loss(self, batch: Labelled) -> torch.Tensor:
        """Cross-entropy after each event."""
        logits_BT, has_BT = self(batch.stretches), batch.stretches.has_BT
        real_BT = batch.real_B[:, None].float().expand_as(logits_BT)
        return F.binary_cross_entropy_with_logits(logits_BT[has_BT], real_BT[has_BT])


@torch.no_grad()
def advantages(discriminator: Discriminator, stretches: Stretches, discount: float) -> torch.Tensor:
    """advantage_BT of each draw: by how much it and those after it raise the logit, each further
    one by ``discount`` less, beside the mean at its place and in standard deviations.

    With a discount of 1 that is the logit of the whole less the one before the draw: SeqGAN's
    reward, with the discriminator's earlier answer as the critic.
    """
    has_BT = stretches.has_BT
    logits_BT = discriminator(stretches)
    gains_BT = torch.diff(logits_BT, dim=1, prepend=torch.zeros_like(logits_BT[:, :1])) * has_BT
    ahead_BT = gains_BT.clone()
    for place in range(gains_BT.shape[1] - 2, -1, -1):
        ahead_BT[:, place] += discount * ahead_BT[:, place + 1]
    mean_T = (ahead_BT * has_BT).sum(dim=0) / has_BT.sum(dim=0).clamp(min=1)
    ahead_BT = (ahead_BT - mean_T) * has_BT
    scale = (ahead_BT.square().sum() / has_BT.sum()).sqrt().clamp(min=1e-6)
    return (ahead_BT / scale).clamp(-LARGEST_ADVANTAGE, LARGEST_ADVANTAGE)
