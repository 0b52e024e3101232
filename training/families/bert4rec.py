"""BERT4Rec: a Transformer that reads a history both ways and tells hidden items (Sun et al. 2019).

Changed, after what its replications found: a softmax over the catalogue or negatives that a batch
shares, where few negatives a position make it overconfident (Petrov & Macdonald 2023, "gSASRec");
what comes next is asked in each window, with nothing behind it, since random gaps alone train
another task than the one it is judged by and need far longer (Petrov & Macdonald 2022, "A
Systematic Review and Replicability Study of BERT4Rec"). Positions count from the end of what is
read, where recommending happens.
"""

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from training.next_item import NextItem, NextItemConfig, main_job_learning
from training.windows import Masking


@dataclass(frozen=True)
class Config:
    dimensions: int = 64
    layers: int = 2
    heads: int = 2
    dropout: float = 0.1
    masking: Masking = field(default_factory=lambda: Masking(share=0.3, only_next=0.5))
    learning: NextItemConfig = field(default_factory=main_job_learning)


def Model(config: Config) -> NextItem:
    encoder = partial(Encoder, config)
    return NextItem(config, config.learning, config.dimensions, encoder, config.masking)


class Encoder(nn.Module):
    """Self-attention over read_BTD, each position to all of its history."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.position_TD = nn.Parameter(
            torch.zeros(config.learning.windows.length + 1, config.dimensions)
        )
        self.blocks = nn.ModuleList(
            Block(config.dimensions, config.heads, config.dropout) for _ in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.dimensions)
        nn.init.constant_(self.norm.weight, 0.1)
        nn.init.normal_(self.position_TD, std=0.02)

    def forward(self, read_BTD: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        positions_T = torch.arange(read_BTD.shape[1], device=read_BTD.device)
        from_end_BT = lengths_B[:, None] - 1 - positions_T
        hidden_BTD = self.dropout(read_BTD + self.position_TD[from_end_BT.clamp(min=0)])
        visible_B11T = (from_end_BT >= 0)[:, None, None]
        for block in self.blocks:
            hidden_BTD = block(hidden_BTD, visible_B11T)
        return self.norm(hidden_BTD)


class Block(nn.Module):
    """Self-attention and a feed-forward layer, each normalised first and added back."""

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

    def forward(self, hidden_BTD: torch.Tensor, visible_B11T: torch.Tensor) -> torch.Tensor:
        mixed_BTD = self._attend(self.attention_norm(hidden_BTD), visible_B11T)
        hidden_BTD = hidden_BTD + self.dropout(mixed_BTD)
        return hidden_BTD + self.dropout(self.feed_forward(self.forward_norm(hidden_BTD)))

    def _attend(self, hidden_BTD: torch.Tensor, visible_B11T: torch.Tensor) -> torch.Tensor:
        size, length, dimensions = hidden_BTD.shape
        parts = self.query_key_value(hidden_BTD).view(size, length, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each B, heads, T, D / heads
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=visible_B11T)
        return self.out(mixed.transpose(1, 2).reshape(size, length, dimensions))
