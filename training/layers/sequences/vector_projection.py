"""Vectors that the shop brought of its items, projected and added to their embeddings: VBPR (He and
McAuley 2016) for next-item models.

Items that are too rare for an embedding of their own share one; with a vector they differ by what
is seen, heard or read of them. The vectors are those of ``content`` (layers/modalities.py): each
kind centred, reduced and of length 1. A missing kind is masked: it is 0, and adds nothing.
"""

import torch
from torch import nn

FIRST_DEVIATION = 0.02  # of the weights


class VectorProjection(nn.Module):
    """``weight_VD``: the learned projection, without a bias."""

    def __init__(self, vectors_IV: torch.Tensor, dimensions: int) -> None:
        super().__init__()
        self.vectors_IV: torch.Tensor
        self.register_buffer("vectors_IV", vectors_IV)
        self.weight_VD = nn.Parameter(
            FIRST_DEVIATION * torch.randn(vectors_IV.shape[1], dimensions)
        )

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """What is added to the embeddings of items, of any shape."""
        return self.vectors_IV[items] @ self.weight_VD

    @property
    def known_I(self) -> torch.Tensor:
        """Which items have a vector of any kind."""
        return self.vectors_IV.any(dim=1)
