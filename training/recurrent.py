"""The encoder that the recurrent families share: one state, updated by each item that is read."""

from typing import Protocol

import torch
from torch import nn


class Recurrent(Protocol):
    """One of torch's recurrent layers over [B, T, D]: it starts from zeros."""

    def __call__(self, read_BTD: torch.Tensor) -> tuple[torch.Tensor, object]: ...


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
        hidden_BTH, _ = self.cells(self.dropout(read_BTD))
        return self.norm(self.out(self.dropout(hidden_BTH)))
