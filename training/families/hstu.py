"""Hierarchical sequential transduction units (Zhai et al. 2024, "Actions Speak Louder than Words").

A causal layer that aggregates point by point: SiLU replaces the softmax, so that the intensity of
interest isn't normalized away; learned biases by distance and by the logarithm of the time between
two events replace position embeddings; the aggregate is normalized and gated element by element,
which stands in for the feed-forward layer. SiLU's sum is divided by the longest length, as in the
paper's code. Events of every type are read, each with the embedding of its action.

In the main job, where people buy again what they bought, a repeat path ranks a user's own items
beside those that the state finds (repeat.py).

Left out: the stochastic length of training histories, and the fused kernel.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from training.fitting.family import Ranker
from training.layers.sequences.inputs import GAPS, gap_of
from training.layers.sequences.next_item import NextItem, NextItemConfig, main_job_learning
from training.layers.sequences.repeat import RepeatConfig, RepeatFamily


@dataclass(frozen=True)
class Config:
    """``time_bias``: for data with times. ``repeat``: None without a repeat path; then the family
    has vectors."""

    dimensions: int = 64
    layers: int = 2
    heads: int = 2
    dropout: float = 0.1
    time_bias: bool = True
    repeat: RepeatConfig | None = field(default_factory=RepeatConfig)
    learning: NextItemConfig = field(
        default_factory=lambda: replace(
            main_job_learning(),
            every_type=True,
            trainer=replace(main_job_learning().trainer, steps=200, validate_every=100),
        )
    )


def Model(config: Config) -> Ranker:
    model = NextItem(config, config.learning, config.dimensions, partial(Encoder, config))
    return model if config.repeat is None else RepeatFamily(config, model, config.repeat)


class Encoder(nn.Module):
    """Causal layers over read_BTD. Padding is on the right: nothing before it sees it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.reads_ages = config.time_bias
        positions = config.learning.windows.length + 1
        self.layers = nn.ModuleList(
            Layer(config.dimensions, config.heads, positions, config.dropout)
            for _ in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.dimensions)
        nn.init.constant_(self.norm.weight, 0.1)

    def forward(
        self,
        read_BTD: torch.Tensor,
        lengths_B: torch.Tensor,
        ages_BT: torch.Tensor | None = None,
    ) -> torch.Tensor:
        hidden_BTD, gap_BTT = self.dropout(read_BTD), gaps_of(ages_BT)
        for layer in self.layers:
            hidden_BTD = layer(hidden_BTD, gap_BTT)
        return self.norm(hidden_BTD)

    def last(
        self,
        read_BTD: torch.Tensor,
        lengths_B: torch.Tensor,
        ages_BT: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """hidden_BD of the last position of each history."""
        hidden_BTD, gap_BTT = self.dropout(read_BTD), gaps_of(ages_BT)
        *before, last = self.layers
        for layer in before:
            hidden_BTD = layer(hidden_BTD, gap_BTT)
        return self.norm(cast(Layer, last).last(hidden_BTD, lengths_B, gap_BTT))


def gaps_of(ages_BT: torch.Tensor | None) -> torch.Tensor | None:
    """The gap of each pair of positions, as a row of the table of gaps; None without ages."""
    return None if ages_BT is None else gap_of(ages_BT[:, None] - ages_BT[:, :, None])


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
        self.elapsed_GH = nn.Parameter(torch.zeros(GAPS, heads))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, hidden_BTD: torch.Tensor, gap_BTT: torch.Tensor | None = None
    ) -> torch.Tensor:
        """``gap_BTT``: the time between two events, see ``gap_of``."""
        size, length, dimensions = hidden_BTD.shape
        parts = F.silu(self.project(self.norm(hidden_BTD)))
        gate_BTD, rest = parts.split((dimensions, 3 * dimensions), dim=-1)
        query, key, value = rest.view(size, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self._bias(length)
        if gap_BTT is not None:
            bias = bias + self._elapsed(gap_BTT)
        weight_BHTT = F.silu(query @ key.transpose(-2, -1) + bias) / self.positions
        gathered = (weight_BHTT.tril() @ value).transpose(1, 2).reshape(size, length, dimensions)
        gated_BTD = self.gathered_norm(gathered) * gate_BTD
        return hidden_BTD + self.out(self.dropout(gated_BTD))

    def last(
        self,
        hidden_BTD: torch.Tensor,
        lengths_B: torch.Tensor,
        gap_BTT: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """hidden_BD of the last position of each history: what ``forward`` gives there."""
        size, length, dimensions = hidden_BTD.shape
        at = torch.arange(size, device=lengths_B.device), lengths_B - 1
        normal_BTD, own = self.norm(hidden_BTD), 2 * dimensions
        weight, bias = self.project.weight, self.project.bias
        gate_BD, query_BD = F.silu(F.linear(normal_BTD[at], weight[:own], bias[:own])).chunk(2, 1)
        both = F.silu(F.linear(normal_BTD, weight[own:], bias[own:]))
        key, value = both.view(size, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        positions_T = torch.arange(length, device=lengths_B.device)
        behind_BT = lengths_B[:, None] - 1 - positions_T
        bias_BHT = self.distance_HT[:, behind_BT.clamp(min=0)].transpose(0, 1)
        if gap_BTT is not None:
            bias_BHT = bias_BHT + F.embedding(gap_BTT[at], self.elapsed_GH).transpose(1, 2)
        query = query_BD.view(size, self.heads, 1, -1)
        weight_BHT = F.silu((query @ key.transpose(-2, -1))[:, :, 0] + bias_BHT) / self.positions
        weight_BHT = weight_BHT * (behind_BT >= 0)[:, None]
        gathered_BD = (weight_BHT[:, :, None] @ value).reshape(size, dimensions)
        gated_BD = self.gathered_norm(gathered_BD) * gate_BD
        return cast(torch.Tensor, hidden_BTD[at] + self.out(self.dropout(gated_BD)))

    def _elapsed(self, gap_BTT: torch.Tensor) -> torch.Tensor:
        """bias_BHTT by the time between two events."""
        if self.training and not gap_BTT.is_cuda:
            return cast(torch.Tensor, Elapsed.apply(self.elapsed_GH, gap_BTT))
        return F.embedding(gap_BTT, self.elapsed_GH).permute(0, 3, 1, 2)

    def _bias(self, length: int) -> torch.Tensor:
        """bias_HTT by how far behind a position another lies."""
        positions_T = torch.arange(length, device=self.distance_HT.device)
        return self.distance_HT[:, (positions_T[:, None] - positions_T).clamp(min=0)]


class Elapsed(torch.autograd.Function):
    """Looks up bias_BHTT in a table elapsed_GH. An embedding's gradient adds row by row on the CPU,
    which took a quarter of a step; this one counts."""

    @staticmethod
    def forward(ctx: Any, elapsed_GH: torch.Tensor, gap_BTT: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(gap_BTT)
        ctx.gaps = len(elapsed_GH)
        return torch.stack([of_head_G[gap_BTT] for of_head_G in elapsed_GH.T], dim=1)

    @staticmethod
    def backward(ctx: Any, gradient_BHTT: torch.Tensor) -> tuple[torch.Tensor, None]:
        gap_N = ctx.saved_tensors[0].flatten()
        sums = [
            torch.bincount(gap_N, head_BTT.flatten().double(), minlength=ctx.gaps)
            for head_BTT in gradient_BHTT.unbind(dim=1)
        ]
        return torch.stack(sums, dim=1).to(gradient_BHTT.dtype), None
