"""The config and the encoder that the recurrent families share; they differ by the cell."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

from training.layers.sequences.next_item import NextItemConfig, main_job_learning


@dataclass(frozen=True)
class RecurrentConfig:
    """``hidden``: size of the state, which is projected to the items' ``dimensions``."""

    dimensions: int = 64
    hidden: int = 128
    layers: int = 1
    dropout: float = 0.1
    learning: NextItemConfig = field(default_factory=main_job_learning)


class Cells(Protocol):
    """One of torch's recurrent layers over [B, T, D], from zeros or from a given memory."""

    def __call__(self, read_BTD: torch.Tensor, memory: Any = None) -> tuple[torch.Tensor, Any]: ...


class RecurrentEncoder(nn.Module):
    """Recurrent layers over ``read_BTD``; the last layer's states are projected to the items'
    dimensions.

    Padding is on the right, so no valid state has read it, and nothing needs to be packed.
    """

    def __init__(
        self,
        kind: type[nn.RNN | nn.GRU | nn.LSTM],
        dimensions: int,
        hidden: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.cells: Cells = kind(dimensions, hidden, layers, batch_first=True)
        self.out = nn.Linear(hidden, dimensions)
        self.norm = nn.LayerNorm(dimensions)
        nn.init.constant_(self.norm.weight, 0.1)

    def forward(self, read_BTD: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        return self.step(read_BTD, None)[0]

    def last(self, read_BTD: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        """hidden_BD of the last position of each history."""
        hidden_BTH, _ = self.cells(self.dropout(read_BTD))
        at = torch.arange(len(lengths_B), device=lengths_B.device), lengths_B - 1
        return self.norm(self.out(self.dropout(hidden_BTH[at])))

    def step(self, read_BTD: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
        """Continue from the cells' memory; returns the states and the new memory."""
        hidden_BTH, memory = self.cells(self.dropout(read_BTD), memory)
        return self.norm(self.out(self.dropout(hidden_BTH))), memory


def recurrent_encoder(
    kind: type[nn.RNN | nn.GRU | nn.LSTM], config: RecurrentConfig
) -> RecurrentEncoder:
    return RecurrentEncoder(kind, config.dimensions, config.hidden, config.layers, config.dropout)
