"""The retriever's fold-in encoder, stored beside the vectors of its training run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from penchant.encoders.history import History
from penchant.encoders.ids import Ids
from penchant.encoders.onnx_encoder import OnnxEncoder
from penchant.encoders.ridge import Ridge
from penchant.encoders.weighted_mean import WeightedMean
from penchant.errors import DataError
from penchant.vectors import FloatArray

FOLDER = "encoder"


class HistoryEncoder(Protocol):
    """Computes a user vector from weighted items."""

    def __call__(self, items_L: npt.NDArray[np.int64], weights_L: FloatArray) -> FloatArray:
        """vector_D. ``items_L``: rows of the catalogue, oldest first. ``weights_L``: decayed."""


@dataclass(frozen=True)
class Encoder:
    """``latest``: how many of the newest events are read; None: all. Safe to share between
    threads."""

    items: Ids
    latest: int | None
    half_life_days: float | None
    encode_items: HistoryEncoder

    @classmethod
    def open(cls, folder: Path) -> "Encoder":
        """Raises DataError for an incomplete encoder or an unknown kind."""
        try:
            described = json.loads((folder / "encoder.json").read_text())
            items = Ids.open(folder / "item_ids.npy")
            encode_items = _open(folder, described)
        except (FileNotFoundError, KeyError, ValueError) as error:
            raise DataError(
                f"the encoder in {folder} can't be read: {error}",
                "train the retriever's family again, then select models and publish",
            ) from error
        return cls(items, described["latest"], described["half_life_days"], encode_items)

    def knows(self, history: History) -> bool:
        """Whether any item of the history is in the catalogue."""
        return bool((self.items.rows(history.item_ids) >= 0).any())

    def encode(self, history: History) -> FloatArray:
        """vector_D of a user with this history; items outside the catalogue are ignored.

        Equals the vector of the training run within 1e-4, which publishing verifies.
        """
        rows_N = self.items.rows(history.item_ids)
        known = np.flatnonzero(rows_N >= 0)
        if self.latest is not None:
            known = known[max(0, len(known) - self.latest) :]
        weights_N = history.weights_N[known]
        if self.half_life_days is not None:
            weights_N = weights_N * 0.5 ** (history.ages_N[known] / self.half_life_days)
        return self.encode_items(rows_N[known], weights_N.astype(np.float32))


def _open(folder: Path, described: dict[str, Any]) -> HistoryEncoder:
    kind = described["kind"]
    if kind == "onnx":
        return OnnxEncoder.open(folder / "encoder.onnx")
    tensors = load_file(folder / "encoder.safetensors")
    if kind == "ridge":
        return Ridge.of(tensors, described)
    if kind == "weighted_mean":
        return WeightedMean(
            tensors["vectors_VD"], tensors["row_I"], described["form"], described["tail"]
        )
    raise ValueError(f"unknown kind {kind!r}")
