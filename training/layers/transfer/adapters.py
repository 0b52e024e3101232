"""Small modules in a frozen encoder: the bottleneck adapters of Houlsby et al. 2019, section 2.1.

One follows each sublayer of a Transformer block, before the residual is added. They start as the
identity, so an adapted encoder starts equal to its source.
"""

from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

FIRST_SPREAD = 0.02


class Adapter(nn.Module):
    """hidden_BTD plus a bottleneck of a few units."""

    def __init__(self, dimensions: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(dimensions, bottleneck)
        self.up = nn.Linear(bottleneck, dimensions)
        nn.init.normal_(self.down.weight, std=FIRST_SPREAD)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden_BTD: torch.Tensor) -> torch.Tensor:
        moved_BTD: torch.Tensor = self.up(F.gelu(self.down(hidden_BTD)))
        return hidden_BTD + moved_BTD


def insert(encoder: nn.Module, dimensions: int, bottleneck: int) -> list[Adapter]:
    """Put adapters into an encoder of ``blocks`` (see transformer.py), in place; returns them."""
    adapters = []
    for block in cast(Any, encoder).blocks:
        for sublayer in ("out", "feed_forward"):
            adapter = Adapter(dimensions, bottleneck).to(next(block.parameters()).device)
            setattr(block, sublayer, nn.Sequential(getattr(block, sublayer), adapter))
            adapters.append(adapter)
    return adapters


def parameter_count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())
