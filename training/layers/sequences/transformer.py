"""Transformer blocks for histories, and the causal encoder built from them."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """Self-attention and a feed-forward layer, each normalised first and added back.

    ``visible``: what a position may attend to, broadcast to B, heads, T, T; None is causal.
    """

    def __init__(self, dimensions: int, heads: int, dropout: float) -> None:
        super().__init__()
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
        mixed_BTD = self._attend(self.attention_norm(hidden_BTD), visible)
        hidden_BTD = hidden_BTD + self.dropout(mixed_BTD)
        return hidden_BTD + self.dropout(self.feed_forward(self.forward_norm(hidden_BTD)))

    def _attend(self, hidden_BTD: torch.Tensor, visible: torch.Tensor | None) -> torch.Tensor:
        size, length, dimensions = hidden_BTD.shape
        parts = self.query_key_value(hidden_BTD).view(size, length, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each B, heads, T, D / heads
        mixed = F.scaled_dot_product_attention(
            query, key, value, visible, is_causal=visible is None
        )
        return self.out(mixed.transpose(1, 2).reshape(size, length, dimensions))


class CausalTransformer(nn.Module):
    """Causal self-attention over read_BTD of at most ``length`` events and the start token.

    Padding is on the right, so no valid position attends to it.
    """

    def __init__(
        self, dimensions: int, layers: int, heads: int, dropout: float, length: int
    ) -> None:
        super().__init__()
        self.position_TD = nn.Parameter(torch.zeros(length + 1, dimensions))
        self.blocks = nn.ModuleList(Block(dimensions, heads, dropout) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(dimensions)
        nn.init.constant_(self.norm.weight, 0.1)
        nn.init.normal_(self.position_TD, std=0.02)

    def forward(self, read_BTD: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        hidden_BTD = self.dropout(read_BTD + self.position_TD[: read_BTD.shape[1]])
        for block in self.blocks:
            hidden_BTD = block(hidden_BTD)
        return self.norm(hidden_BTD)
