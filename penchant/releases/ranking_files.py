"""The ranking model of a release: its record, its model file and the lists of its sources, mapped.

Items are numbered in the order of their ids, as ``Items`` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from penchant.artifacts import RankingModelRecord
from penchant.artifacts.ranking_model import SourceKey
from penchant.artifacts.release import RankingModelReference
from penchant.encoders.ids import Ids
from penchant.errors import DataError
from penchant.releases.model_file import ranking_model_in
from penchant.releases.release import RANKING, Release
from penchant.vectors import load_array

CO_OCCURRENCE, SEGMENT_POPULARITY, NEW_ITEMS = "co_occurrence", "segment_popularity", "new_items"
OWN_SOURCES: dict[str, SourceKey] = {
    CO_OCCURRENCE: "item",
    SEGMENT_POPULARITY: "segment",
    NEW_ITEMS: "all",
}
"""Sources of the release itself, with what their lists are of: they find candidates, and are no
features."""
ITEM_VALUES = "item_values.npy"
REMEDY = "run `penchant rollback`, then `penchant publish` again"

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SourceLists:
    """The lists of one source. List n: places ``starts_N1[n]`` to ``starts_N1[n + 1]``."""

    keys: Ids
    starts_N1: npt.NDArray[np.int64]
    items_P: npt.NDArray[np.int32]
    scores_P: npt.NDArray[np.float32]

    @classmethod
    def open(cls, folder: Path) -> "SourceLists":
        arrays = {
            name: load_array(folder / f"{name}.npy")
            for name in ("starts_N1", "items_P", "scores_P")
        }
        return cls(Ids.open(folder / "keys.npy"), **arrays)

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        arrays = {
            "keys": self.keys.ids_N,
            "starts_N1": self.starts_N1,
            "items_P": self.items_P,
            "scores_P": self.scores_P,
        }
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)

    def of(self, keys: Sequence[str]) -> tuple[IntArray, FloatArray]:
        """items_L and scores_L of the lists of all keys, one after another; unknown keys have
        none."""
        found = [row for row in map(self.keys.row, keys) if row >= 0]
        spans = [slice(*self.starts_N1[row : row + 2].tolist()) for row in found]
        if not spans:
            return np.zeros(0, np.int64), np.zeros(0)
        items_L = np.concatenate([self.items_P[span] for span in spans])
        scores_L = np.concatenate([self.scores_P[span] for span in spans])
        return items_L.astype(np.int64), scores_L.astype(np.float64)


@dataclass(frozen=True)
class RankingFiles:
    """``as_of``: the end of the release's data, naive UTC. ``keys``: what the lists of each source
    are of, in the order of the record's sources, then of those of the release. ``lists``: by
    source. ``item_values_I``: see penchant/publishing/item_values.py."""

    as_of: datetime
    record: RankingModelRecord
    model: Path
    keys: dict[str, SourceKey]
    lists: dict[str, SourceLists]
    item_values_I: npt.NDArray[np.void]

    @classmethod
    def open(cls, release: Release, published: RankingModelReference) -> "RankingFiles":
        """Raises DataError for a file that is missing or is not as it was published."""
        release.verify_ranking()
        folder = release.path / RANKING
        record = ranking_model_in(folder)
        if record is None:
            raise DataError(f"{RankingModelRecord.path(folder)} does not exist", REMEDY)
        own = {name: key for name, key in OWN_SOURCES.items() if (folder / name).is_dir()}
        keys = {source.name: source.key for source in record.sources} | own
        lists = {name: SourceLists.open(folder / name) for name in keys}
        values_I = load_array(folder / ITEM_VALUES)
        return cls(published.as_of, record, folder / record.model.name, keys, lists, values_I)

    @cached_property
    def candidates(self) -> dict[str, int | None]:
        """By source of the model: how many items of a list are candidates; None: all."""
        return {source.name: source.candidates for source in self.record.sources}
