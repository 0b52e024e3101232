"""The retriever's fold-in encoder, stored beside the vectors of its training run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from penchant.encoders.history import Events, History
from penchant.encoders.ids import Ids
from penchant.encoders.onnx_encoder import OnnxEncoder
from penchant.encoders.ridge import Ridge
from penchant.encoders.weighted_mean import WeightedMean
from penchant.encryption.weights import read_weights
from penchant.errors import DataError
from penchant.vectors import FloatArray

FOLDER = "encoder"


class HistoryEncoder(Protocol):
    """Computes a user vector from weighted items."""

    def __call__(self, events: Events) -> FloatArray:
        """vector_D of a user with these events."""


@runtime_checkable
class LeaveOneOut(Protocol):
    """An encoder that computes the vectors without single items faster than one by one."""

    def without(self, events: Events, left_out_T: npt.NDArray[np.int64]) -> FloatArray:
        """vectors_TD: without each of the items ``left_out_T``, which are among the events'."""


@dataclass(frozen=True)
class Encoder:
    """``latest``: how many of the newest events are read; None: all. ``strengths``: event type →
    what its weights are multiplied by, 0 where it isn't read; None where only the type that was
    predicted is read. Safe to share between threads."""

    items: Ids
    latest: int | None
    half_life_days: float | None
    strengths: dict[str, float] | None
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
        return cls(
            items,
            described["latest"],
            described["half_life_days"],
            described["strengths"],
            encode_items,
        )

    def knows(self, history: History) -> bool:
        """Whether any item of the history is in the catalogue."""
        return bool((self.items.rows(history.item_ids) >= 0).any())

    def encode(self, history: History) -> FloatArray:
        """vector_D of a user with this history; items outside the catalogue are ignored.

        Equals the vector of the training run within 1e-4, which publishing verifies.
        """
        return self.encode_items(self._latest(self._known(history)))

    def encode_without(self, history: History, item_ids: Sequence[str]) -> FloatArray:
        """vectors_TD: ``encode`` of the history without each of the items."""
        events = self._known(history)
        left_out_T = self.items.rows(item_ids)
        fast = self._fast(events)
        if fast is not None and (left_out_T >= 0).all():
            return fast.without(events, left_out_T)
        return np.stack(
            [
                self.encode_items(self._latest(events.take(events.items_L != left_out)))
                for left_out in left_out_T.tolist()
            ]
        )

    def events_read_without(self, history: History) -> int:
        """Events that ``encode_without`` reads for each item; 0 where it needs not read them."""
        events = self._known(history)
        return 0 if self._fast(events) else len(self._latest(events).items_L)

    def _fast(self, events: Events) -> LeaveOneOut | None:
        """The encoder if it leaves items out of these events without reading all of them again."""
        short = self.latest is None or len(events.items_L) <= self.latest
        return self.encode_items if short and isinstance(self.encode_items, LeaveOneOut) else None

    def _known(self, history: History) -> Events:
        """The events with items of the catalogue."""
        rows_N = self.items.rows(history.item_ids)
        known = np.flatnonzero(rows_N >= 0)
        weights_N = history.weights_N[known]
        if self.half_life_days is not None:
            weights_N = weights_N * 0.5 ** (history.ages_N[known] / self.half_life_days)
        return Events(
            rows_N[known],
            weights_N.astype(np.float32),
            history.ages_N[known],
            history.places_N[known],
        )

    def _latest(self, events: Events) -> Events:
        first = 0 if self.latest is None else max(0, len(events.items_L) - self.latest)
        return events.take(slice(first, None))


def _open(folder: Path, described: dict[str, Any]) -> HistoryEncoder:
    kind = described["kind"]
    if kind == "onnx":
        return OnnxEncoder.open(folder / "encoder.onnx")
    tensors = read_weights(folder / "encoder.safetensors")
    if kind == "ridge":
        return Ridge.of(tensors, described)
    if kind == "weighted_mean":
        return WeightedMean(
            tensors["vectors_VD"], tensors["row_I"], described["form"], described["tail"]
        )
    raise ValueError(f"unknown kind {kind!r}")
