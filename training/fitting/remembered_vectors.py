"""Vectors of users by the content of their histories, so that each is computed once.

An evaluation asks for the vectors of the same users several times: to fit a probe, to rank and to
classify at one moment, and for the ranked lists and the published vectors.
"""

from collections.abc import Callable

import numpy as np
import torch

from training.data.fingerprints import fingerprints
from training.data.histories import Histories

MOST_USERS = 40_000  # remembered, a few hundred bytes each


class RememberedVectors:
    """Of a model whose weights no longer change. ``vectors``: histories -> vectors_BD."""

    def __init__(self, vectors: Callable[[Histories], torch.Tensor]) -> None:
        self.vectors = vectors
        self.rows: dict[bytes, torch.Tensor] = {}

    def of(self, batch: Histories) -> torch.Tensor:
        """vectors_BD, on the model's device."""
        keys = fingerprints(batch)
        missing = [place for place, key in enumerate(keys) if key not in self.rows]
        if len(missing) == len(keys):
            vectors_BD = self.vectors(batch)
            self._remember(keys, vectors_BD)
            return vectors_BD
        new = dict[bytes, torch.Tensor]()
        if missing:
            new_MD = self.vectors(batch.take(np.array(missing)))
            new = dict(zip((keys[place] for place in missing), new_MD, strict=True))
            self._remember(list(new), new_MD)
        return torch.stack([new[key] if key in new else self.rows[key] for key in keys])

    def _remember(self, keys: list[bytes], vectors_BD: torch.Tensor) -> None:
        if len(self.rows) + len(keys) <= MOST_USERS:
            self.rows |= zip(keys, vectors_BD, strict=True)
