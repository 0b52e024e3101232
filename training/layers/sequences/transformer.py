"""Transformer blocks for histories, and the causal encoder built from them."""

from typing import cast

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """Self-attention and a feed-forward layer, each normalised first and added back.

    ``gated``: what is added back passes a gate that reads the input (LiGR, Borisyuk et al. 2024, as
    in eSASRec, Tikhonovich et al. 2025). ``bands``: share of ``Bands`` in the mixed positions; the
    rest is self-attention, as in BSARec (Shin et al. 2024). ``visible``: what a position may attend
    to, broadcast to B, heads, T, T; None is causal.
    """

    def __init__(
        self,
        dimensions: int,
        heads: int,
        dropout: float,
        gated: bool = False,
        bands: float = 0.0,
    ) -> None:
        super().__init__()
        self.share = bands
        self.bands = Bands(dimensions) if bands else None
        self.gates = nn.ModuleList(nn.Linear(dimensions, dimensions) for _ in range(2 * gated))
        self.heads = heads
        self.attention_norm = nn.LayerNorm(dimensions)
        self.forward_norm = nn.LayerNorm(dimensions)
        self.query_key_value = nn.Linear(dimensions, 3 * dimensions)
        self.out = nn.Linear(dimensions, dimensions)
        self.feed_forward = nn.Sequential(
            nn.Linear(dimensions, 2 * dimensions), nn.GELU(), nn.Linear(2 * dimensions, dimensions)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, hidden_BTD: torch.Tensor, visible: torch.Tensor | None = None
    ) -> torch.Tensor:
        normal_BTD = self.attention_norm(hidden_BTD)
        mixed_BTD = self._attend(normal_BTD, visible)
        if self.bands is not None:
            mixed_BTD = (1 - self.share) * mixed_BTD + self.share * self.bands(normal_BTD)
        hidden_BTD = hidden_BTD + self._gated(0, hidden_BTD, self.dropout(mixed_BTD))
        fed_BTD = self.feed_forward(self.forward_norm(hidden_BTD))
        return hidden_BTD + self._gated(1, hidden_BTD, self.dropout(fed_BTD))

    def _gated(self, place: int, hidden_BTD: torch.Tensor, added_BTD: torch.Tensor) -> torch.Tensor:
        if not len(self.gates):
            return added_BTD
        return added_BTD * torch.sigmoid(self.gates[place](hidden_BTD))

    def _attend(self, hidden_BTD: torch.Tensor, visible: torch.Tensor | None) -> torch.Tensor:
        size, length, dimensions = hidden_BTD.shape
        parts = self.query_key_value(hidden_BTD).view(size, length, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each B, heads, T, D / heads
        mixed = F.scaled_dot_product_attention(
            query, key, value, visible, is_causal=visible is None
        )
        return self.out(mixed.transpose(1, 2).reshape(size, length, dimensions))

    def last(self, hidden_BTD: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        """hidden_BD of the last position of each history, which attends to all before it: what
        ``forward`` gives there, without computing it for the others."""
        at = torch.arange(len(lengths_B), device=lengths_B.device), lengths_B - 1
        normal_BTD, hidden_BD = self.attention_norm(hidden_BTD), hidden_BTD[at]
        mixed_BD = self._attend_from(normal_BTD[at], normal_BTD, lengths_B)
        if self.bands is not None:
            mixed_BD = (1 - self.share) * mixed_BD + self.share * self.bands(normal_BTD)[at]
        hidden_BD = hidden_BD + self._gated(0, hidden_BD, self.dropout(mixed_BD))
        fed_BD = self.feed_forward(self.forward_norm(hidden_BD))
        return hidden_BD + self._gated(1, hidden_BD, self.dropout(fed_BD))

    def _attend_from(
        self, from_BD: torch.Tensor, hidden_BTD: torch.Tensor, lengths_B: torch.Tensor
    ) -> torch.Tensor:
        size, length, dimensions = hidden_BTD.shape
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        query = F.linear(from_BD, weight[:dimensions], bias[:dimensions])
        both = F.linear(hidden_BTD, weight[dimensions:], bias[dimensions:])
        key, value = both.view(size, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        inside_BT = torch.arange(length, device=lengths_B.device) < lengths_B[:, None]
        mixed = F.scaled_dot_product_attention(
            query.view(size, self.heads, 1, -1), key, value, inside_BT[:, None, None]
        )
        return self.out(mixed.reshape(size, dimensions))


class Bands(nn.Module):
    """A learned filter by frequency: the Haar wavelet transform of each dimension over positions,
    each band scaled by a learned factor and summed again.

    The transform is the stationary one, of earlier positions alone: unlike the Fourier transform of
    BSARec it doesn't see what follows, nor depend on padding. As in WEARec (Xu et al. 2025) bands
    are of several lengths.
    """

    def __init__(self, dimensions: int, levels: int = 4) -> None:
        super().__init__()
        self.scale_LD = nn.Parameter(torch.ones(levels + 1, dimensions))

    def forward(self, read_BTD: torch.Tensor) -> torch.Tensor:
        low_BTD, sum_BTD = read_BTD, torch.zeros_like(read_BTD)
        for level, scale_D in enumerate(self.scale_LD[:-1]):
            earlier_BTD = F.pad(low_BTD, (0, 0, 2**level, 0))[:, : low_BTD.shape[1]]
            lower_BTD = (low_BTD + earlier_BTD) / 2
            sum_BTD = sum_BTD + scale_D * (low_BTD - lower_BTD)
            low_BTD = lower_BTD
        return sum_BTD + self.scale_LD[-1] * low_BTD


class CausalTransformer(nn.Module):
    """Causal self-attention over read_BTD of at most ``length`` events and the start token.

    Padding is on the right, so no valid position attends to it.
    """

    def __init__(
        self,
        dimensions: int,
        layers: int,
        heads: int,
        dropout: float,
        length: int,
        gated: bool = False,
        bands: float = 0.0,
    ) -> None:
        super().__init__()
        self.position_TD = nn.Parameter(torch.zeros(length + 1, dimensions))
        self.blocks = nn.ModuleList(
            Block(dimensions, heads, dropout, gated, bands) for _ in range(layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(dimensions)
        nn.init.constant_(self.norm.weight, 0.1)
        nn.init.normal_(self.position_TD, std=0.02)

    def forward(self, read_BTD: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        hidden_BTD = self.dropout(read_BTD + self.position_TD[: read_BTD.shape[1]])
        for block in self.blocks:
            hidden_BTD = block(hidden_BTD)
        return self.norm(hidden_BTD)

    def last(self, read_BTD: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        """hidden_BD of the last position of each history."""
        hidden_BTD = self.dropout(read_BTD + self.position_TD[: read_BTD.shape[1]])
        *before, last = self.blocks
        for block in before:
            hidden_BTD = block(hidden_BTD)
        return self.norm(cast(Block, last).last(hidden_BTD, lengths_B))
