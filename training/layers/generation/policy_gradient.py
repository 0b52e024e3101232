"""Policy gradient (Williams 1992) for a generator of histories: make likelier what was rewarded."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from training.layers.generation.adversary import Stretches
from training.layers.generation.sampler import Choices, Habit, drawn_after
from training.layers.sequences import windows
from training.layers.sequences.next_item import Network
from training.layers.sequences.windows import TOKEN

FAINT = 1e-30  # a chance that has a logarithm


@dataclass(frozen=True)
class Rollouts:
    """Stretches that the generator drew, the ``advantage_BT`` of each draw, and real windows that
    hold the generator to what it knows. Of real stretches, with an advantage of 1 each, the loss is
    their likelihood's."""

    stretches: Stretches
    advantage_BT: torch.Tensor
    real: windows.Batch | None = None

    @property
    def targets(self) -> int:
        return int(self.stretches.has_BT.sum())

    def part(self, index: int, count: int) -> "Rollouts":
        rows = slice(index, None, count)
        real = self.real and self.real.part(index, count)
        return Rollouts(self.stretches.take(rows), self.advantage_BT[rows], real)


class Policy(nn.Module):
    """A generator as what is rewarded. ``entropy``: the weight of its choices' entropy, which keeps
    it from drawing the same again and again; ``likelihood``: of the real windows' loss."""

    def __init__(
        self, network: Network, choices: Choices, entropy: float, likelihood: float
    ) -> None:
        super().__init__()
        self.network, self.choices, self.habit = network, choices, Habit()
        self.entropy, self.likelihood = entropy, likelihood

    def loss(self, batch: Rollouts) -> torch.Tensor:
        """The mean over draws; without dropout, as they were drawn."""
        self.network.eval()
        stretches, has_BT = batch.stretches, batch.stretches.has_BT
        token_B1 = torch.full_like(stretches.items_BT[:, :1], TOKEN)
        read_BT = torch.cat([token_B1, stretches.items_BT[:, :-1]], dim=1)
        hidden_BTD = self.network(read_BT, has_BT.sum(dim=1))
        from_BT = self.drawn_from(stretches)
        cell_BT = from_BT + torch.arange(len(stretches))[:, None] * has_BT.shape[1]
        cells_P, state_N = torch.unique(cell_BT[has_BT], return_inverse=True)
        hidden_PD = self.network.compared(hidden_BTD.flatten(0, 1)[cells_P])
        compared = self.choices.compared(self.network)
        chance_PC = self.habit.chances(hidden_PD, compared, self._times(stretches, cells_P))
        log_PC = chance_PC.clamp(min=FAINT).log()
        column_N = self.choices.column_I[stretches.items_BT[has_BT]]
        gain = (batch.advantage_BT[has_BT] * log_PC[state_N, column_N]).mean()
        entropy = -(chance_PC * log_PC).sum(dim=1).mean()
        loss = -gain - self.entropy * entropy
        if batch.real is not None and batch.real.targets:
            self.network.train()
            loss = loss + self.likelihood * self.network.loss(batch.real)
        return loss

    def _times(self, stretches: Stretches, cells_P: torch.Tensor) -> torch.Tensor:
        """times_PC that each column is among what had been read at these cells."""
        length = stretches.items_BT.shape[1]
        row_P, read_P = cells_P // length, cells_P % length
        column_PT = self.choices.column_I[stretches.items_BT[row_P]].clamp(min=0)
        was_read_PT = (torch.arange(length) < read_P[:, None]).float()
        times_PC = torch.zeros(len(cells_P), len(self.choices.items_C))
        return times_PC.scatter_add_(1, column_PT, was_read_PT)

    @staticmethod
    def drawn_from(stretches: Stretches) -> torch.Tensor:
        """How many events had been read when each was drawn; see walk.py."""
        place_T = np.arange(stretches.items_BT.shape[1])
        began_BT = np.maximum.accumulate(stretches.begins_BT.numpy() * place_T, axis=1)
        return torch.from_numpy(drawn_after(np.broadcast_to(place_T, began_BT.shape), began_BT))
