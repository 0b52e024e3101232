"""The encoder that the recurrent families share: one state, updated by each item that is read."""

from typing import Any, Protocol

import torch
from torch import nn


class Recurrent(Protocol):
    """One of torch's recurrent layers over [B, T, D]: it starts from zeros, or from a memory."""

    def __call__(self, read_BTD: torch.Tensor, memory: Any = None) -> tuple[torch.Tensor, Any]: ...


class RecurrentEncoder(nn.Module):
    """``cells`` around ``read_BTD``; the last layer's states are brought to the items' dimensions.

    Padding is on the right, so no state that is used has read it, and nothing need be packed.
    """

    def __init__(self, cells: nn.RNNBase, dimensions: int, dropout: float) -> None:
        super().__init__()
        self.cells: Recurrent
        self.dropout = nn.Dropout(dropout)
        self.cells = cells
        self.out = nn.Linear(cells.hidden_size, dimensions)
        self.norm = nn.LayerNorm(dimensions)
        nn.init.constant_(self.norm.weight, 0.1)

    def forward(self, read_BTD: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        return self.step(read_BTD, None)[0]

    def step(self, read_BTD: torch.Tensor, memory: Any) -> tuple[torch.Tensor, Any]:
        """Read on from what the cells remember, which is given back as it is afterwards."""
        hidden_BTH, memory = self.cells(self.dropout(read_BTD), memory)
        return self.norm(self.out(self.dropout(hidden_BTH))), memory
