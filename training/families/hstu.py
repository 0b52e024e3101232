"""Hierarchical sequential transduction units (Zhai et al. 2024, "Actions Speak Louder than Words").

A causal layer that aggregates point by point: SiLU replaces the softmax, so that the intensity of
interest isn't normalized away; a learned bias by distance replaces position embeddings; the
aggregate is normalized and gated element by element, which stands in for the
feed-forward layer. SiLU's sum is divided by the longest length, as in the paper's code.

Left out: the bias by elapsed time (the encoder gets no times), action types, the stochastic length
of training histories, and the fused kernel.
"""

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from training.layers.sequences.next_item import NextItem, NextItemConfig, main_job_learning


@dataclass(frozen=True)
class Config:
    dimensions: int = 64
    layers: int = 2
    heads: int = 2
    dropout: float = 0.1
    learning: NextItemConfig = field(default_factory=main_job_learning)


def Model(config: Config) -> NextItem:
    return NextItem(config, config.learning, config.dimensions, partial(Encoder, config))


class Encoder(nn.Module):
    """Causal layers over read_BTD. Padding is on the right: nothing before it sees it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        positions = config.learning.windows.length + 1
        self.layers = nn.ModuleList(
            Layer(config.dimensions, config.heads, positions, config.dropout)
            for _ in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.dimensions)
        nn.init.constant_(self.norm.weight, 0.1)

    def forward(self, read_BTD: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        hidden_BTD = self.dropout(read_BTD)
        for layer in self.layers:
            hidden_BTD = layer(hidden_BTD)
        return self.norm(hidden_BTD)


class Layer(nn.Module):
    """One pointwise aggregated attention, normalised first and added back."""

    def __init__(self, dimensions: int, heads: int, positions: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.positions = heads, positions
        self.norm = nn.LayerNorm(dimensions)
        self.gathered_norm = nn.LayerNorm(dimensions)
        self.project = nn.Linear(dimensions, 4 * dimensions)
        self.out = nn.Linear(dimensions, dimensions)
        self.distance_HT = nn.Parameter(torch.zeros(heads, positions))
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden_BTD: torch.Tensor) -> torch.Tensor:
        size, length, dimensions = hidden_BTD.shape
        parts = F.silu(self.project(self.norm(hidden_BTD)))
        gate_BTD, rest = parts.split((dimensions, 3 * dimensions), dim=-1)
        query, key, value = rest.view(size, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weight_BHTT = F.silu(query @ key.transpose(-2, -1) + self._bias(length)) / self.positions
        gathered = (weight_BHTT.tril() @ value).transpose(1, 2).reshape(size, length, dimensions)
        gated_BTD = self.gathered_norm(gathered) * gate_BTD
        return hidden_BTD + self.out(self.dropout(gated_BTD))

    def _bias(self, length: int) -> torch.Tensor:
        """bias_HTT by how far behind a position another lies."""
        positions_T = torch.arange(length, device=self.distance_HT.device)
        return self.distance_HT[:, (positions_T[:, None] - positions_T).clamp(min=0)]
