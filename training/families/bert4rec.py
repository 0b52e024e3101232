"""BERT4Rec: a bidirectional Transformer that predicts masked items (Sun et al. 2019).

Changes, after its replications: a softmax over the catalogue or negatives that a batch
shares, where few negatives a position make it overconfident (Petrov & Macdonald 2023, "gSASRec");
the next item is predicted in each window, with nothing after it, since random masks alone train
another task than the evaluated one and need far longer (Petrov & Macdonald 2022, "A
Systematic Review and Replicability Study of BERT4Rec"). Positions count from the end of the
history, where the next item is predicted.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

import torch
from torch import nn

from training.layers.sequences.next_item import NextItem, NextItemConfig, main_job_learning
from training.layers.sequences.transformer import Block
from training.layers.sequences.windows import Masking


@dataclass(frozen=True)
class Config:
    dimensions: int = 64
    layers: int = 2
    heads: int = 2
    dropout: float = 0.1
    masking: Masking = field(default_factory=lambda: Masking(share=0.3, only_next=0.5))
    learning: NextItemConfig = field(
        default_factory=lambda: replace(main_job_learning(), every_type=True)
    )


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
        hidden_BTD, visible_B11T = self._read(read_BTD, lengths_B)
        for block in self.blocks:
            hidden_BTD = block(hidden_BTD, visible_B11T)
        return self.norm(hidden_BTD)

    def last(self, read_BTD: torch.Tensor, lengths_B: torch.Tensor) -> torch.Tensor:
        """hidden_BD of the last position of each history."""
        hidden_BTD, visible_B11T = self._read(read_BTD, lengths_B)
        *before, last = self.blocks
        for block in before:
            hidden_BTD = block(hidden_BTD, visible_B11T)
        return self.norm(cast(Block, last).last(hidden_BTD, lengths_B))

    def _read(
        self, read_BTD: torch.Tensor, lengths_B: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        positions_T = torch.arange(read_BTD.shape[1], device=read_BTD.device)
        from_end_BT = lengths_B[:, None] - 1 - positions_T
        hidden_BTD = self.dropout(read_BTD + self.position_TD[from_end_BT.clamp(min=0)])
        return hidden_BTD, (from_end_BT >= 0)[:, None, None]
