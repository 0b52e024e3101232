"""Policy gradient (Williams 1992) for a generator of histories: increase the probability of
rewarded items."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from training.layers.generation.adversary import Segments
from training.layers.generation.sampler import RepeatMixture, Vocabulary, context_length
from training.layers.sequences import windows
from training.layers.sequences.network import Network
from training.layers.sequences.windows import TOKEN

SMALLEST = 1e-30  # probability with a finite logarithm


@dataclass(frozen=True)
class Rollouts:
    """Segments that the generator sampled, the ``advantage_BT`` of each item, and real windows as
    a regularizer. With real segments and advantages of 1 the loss is their negative
    log-likelihood."""

    segments: Segments
    advantage_BT: torch.Tensor
    real: windows.Batch | None = None

    @property
    def targets(self) -> int:
        return int(self.segments.has_BT.sum())

    def part(self, index: int, count: int) -> "Rollouts":
        rows = slice(index, None, count)
        real = self.real and self.real.part(index, count)
        return Rollouts(self.segments.take(rows), self.advantage_BT[rows], real)


class Policy(nn.Module):
    """A generator as a policy. ``entropy``: weight of the entropy bonus, against mode collapse;
    ``likelihood``: weight of the real windows' loss."""

    def __init__(
        self, network: Network, vocabulary: Vocabulary, entropy: float, likelihood: float
    ) -> None:
        super().__init__()
        self.network, self.vocabulary, self.repeats = network, vocabulary, RepeatMixture()
        self.entropy, self.likelihood = entropy, likelihood

    def loss(self, batch: Rollouts) -> torch.Tensor:
        """The mean over sampled items; without dropout, as they were sampled."""
        self.network.eval()
        segments, has_BT = batch.segments, batch.segments.has_BT
        token_B1 = torch.full_like(segments.items_BT[:, :1], TOKEN)
        read_BT = torch.cat([token_B1, segments.items_BT[:, :-1]], dim=1)
        hidden_BTD = self.network(read_BT, has_BT.sum(dim=1))
        from_BT = self.context_lengths(segments)
        cell_BT = from_BT + torch.arange(len(segments))[:, None] * has_BT.shape[1]
        cells_P, state_N = torch.unique(cell_BT[has_BT], return_inverse=True)
        hidden_PD = self.network.compared(hidden_BTD.flatten(0, 1)[cells_P])
        compared = self.vocabulary.compared(self.network)
        chance_PC = self.repeats.probabilities(hidden_PD, compared, self._times(segments, cells_P))
        log_PC = chance_PC.clamp(min=SMALLEST).log()
        column_N = self.vocabulary.column_I[segments.items_BT[has_BT]]
        gain = (batch.advantage_BT[has_BT] * log_PC[state_N, column_N]).mean()
        entropy = -(chance_PC * log_PC).sum(dim=1).mean()
        loss = -gain - self.entropy * entropy
        if batch.real is not None and batch.real.targets:
            self.network.train()
            loss = loss + self.likelihood * self.network.loss(batch.real)
        return loss

    def _times(self, segments: Segments, cells_P: torch.Tensor) -> torch.Tensor:
        """times_PC that each column occurs among the events read at these positions."""
        length = segments.items_BT.shape[1]
        row_P, read_P = cells_P // length, cells_P % length
        column_PT = self.vocabulary.column_I[segments.items_BT[row_P]].clamp(min=0)
        was_read_PT = (torch.arange(length) < read_P[:, None]).float()
        times_PC = torch.zeros(len(cells_P), len(self.vocabulary.items_C))
        return times_PC.scatter_add_(1, column_PT, was_read_PT)

    @staticmethod
    def context_lengths(segments: Segments) -> torch.Tensor:
        """How many events are read before sampling each; see ``context_length``."""
        place_T = np.arange(segments.items_BT.shape[1])
        began_BT = np.maximum.accumulate(segments.begins_BT.numpy() * place_T, axis=1)
        return torch.from_numpy(context_length(np.broadcast_to(place_T, began_BT.shape), began_BT))
