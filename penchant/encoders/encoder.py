"""The retriever's encoder, as training left it beside the vectors it made."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from penchant.encoders.history import History
from penchant.encoders.ids import Ids
from penchant.encoders.onnx_encoder import Program
from penchant.encoders.ridge import Ridge
from penchant.encoders.weighted_mean import Taste
from penchant.errors import DataError
from penchant.vectors import FloatArray

FOLDER = "encoder"


class Fold(Protocol):
    """One way to make a vector of a history."""

    def __call__(self, items_L: npt.NDArray[np.int64], weights_L: FloatArray) -> FloatArray:
        """vector_D of items, rows of the catalogue oldest first, and their decayed weights."""


@dataclass(frozen=True)
class Encoder:
    """Folds histories. Safe to share between threads."""

    items: Ids
    latest: int | None
    half_life_days: float | None
    fold_of: Fold

    @classmethod
    def open(cls, folder: Path) -> "Encoder":
        """Raises DataError for one that is not whole, or of a kind that is not known."""
        try:
            described = json.loads((folder / "encoder.json").read_text())
            items = Ids.open(folder / "item_ids.npy")
            fold = _fold(folder, described)
        except (FileNotFoundError, KeyError, ValueError) as error:
            raise DataError(
                f"the encoder in {folder} can't be read: {error}",
                "train the retriever's family again, then choose and publish",
            ) from error
        return cls(items, described["latest"], described["half_life_days"], fold)

    def knows(self, history: History) -> bool:
        """Whether it is about any item of the catalogue."""
        return bool((self.items.rows(history.item_ids) >= 0).any())

    def fold(self, history: History) -> FloatArray:
        """vector_D of a user who did this; events with items of no catalogue say nothing.

        The same history has the vector that training gave it, within 1e-4 (publishing verifies it).
        """
        rows_N = self.items.rows(history.item_ids)
        known = np.flatnonzero(rows_N >= 0)
        if self.latest is not None:
            known = known[max(0, len(known) - self.latest) :]
        weights_N = history.weights_N[known]
        if self.half_life_days is not None:
            weights_N = weights_N * 0.5 ** (history.ages_N[known] / self.half_life_days)
        return self.fold_of(rows_N[known], weights_N.astype(np.float32))


def _fold(folder: Path, described: dict[str, Any]) -> Fold:
    kind = described["kind"]
    if kind == "program":
        return Program.open(folder / "encoder.onnx")
    tensors = load_file(folder / "encoder.safetensors")
    if kind == "ridge":
        return Ridge.of(tensors, described)
    if kind == "taste":
        return Taste(tensors["vectors_VD"], tensors["row_I"], described["form"], described["tail"])
    raise ValueError(f"it is of an unknown kind, {kind!r}")
