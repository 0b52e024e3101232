"""All items of a release as arrays: ids, category paths, prices, vectors and popularity."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penchant.encoders.ids import Ids
from penchant.errors import UsageError
from penchant.vectors import FloatArray

SEPARATOR = " > "  # of a category path, as in a portrait
LEVELS = ("category_1", "category_2", "category_3")

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray64 = npt.NDArray[np.float64]


class Items:
    """``levels_IL``: codes of an item's category path down to each level, -1 where it has none:
    equal codes are equal paths. ``prices_I``: NaN where unknown. ``row_I``: an item's row in
    ``vectors_VD``, -1 without a vector; ``item_V``: the items with a vector. ``prior_items_N`` and
    ``prior_scores_N``: the most popular items, best first."""

    def __init__(
        self,
        table: pa.Table,
        prior: dict[str, Any],
        vector_ids: Sequence[str],
        vectors_VD: FloatArray,
    ) -> None:
        """``table``: item attributes, a row per item. ``prior``: the row of ``popularity_prior``.
        ``vector_ids``: the item of each row of ``vectors_VD``; both empty without a retriever."""
        self.ids = _ids(table["item_id"])
        self.prices_I = pc.fill_null(table["price"], np.nan).to_numpy().astype(np.float64)
        self._level_of: dict[str, tuple[int, int]] = {}
        self.levels_IL = np.stack(
            [self._codes(_paths(table, level), level) for level in range(len(LEVELS))], axis=1
        )
        self.prior_items_N = self.ids.rows(prior["item_ids"])
        self.prior_scores_N = np.array(prior["scores"], np.float64)
        self.item_V = self.ids.rows(vector_ids)
        self.row_I = np.full(len(self.ids), -1, np.int64)
        self.row_I[self.item_V] = np.arange(len(self.item_V))
        self.vectors_VD = vectors_VD

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, item_ids: Sequence[str]) -> IntArray:
        """The row of each item in ``vectors_VD``, -1 for one without a vector."""
        items_N = self.ids.rows(item_ids)
        return np.where(items_N >= 0, self.row_I[items_N], -1)

    def within(self, category: str) -> BoolArray:
        """mask_I of a category path. Raises UsageError for one that no item is in."""
        level, code = self._level_of.get(category.strip(), (-1, -1))
        if level < 0:
            first = sorted(name for name, (level, _) in self._level_of.items() if level == 0)
            raise UsageError(
                f"no item is in the category {category!r}",
                f"pass one of {', '.join(first[:20])}, or a path below it, such as those that "
                "/v1/portrait shows",
            )
        return self.levels_IL[:, level] == code

    def _codes(self, paths: pa.DictionaryArray, level: int) -> IntArray:
        for code, name in enumerate(paths.dictionary.to_pylist()):
            self._level_of.setdefault(name, (level, code))
        return pc.fill_null(paths.indices, -1).to_numpy().astype(np.int64)


def _ids(column: pa.ChunkedArray) -> Ids:
    encoded = [each.encode() for each in column.to_pylist()]
    return Ids(np.array(encoded, dtype=np.bytes_))


def _paths(table: pa.Table, level: int) -> pa.DictionaryArray:
    """Each item's path down to a level, without the levels that it lacks; null without a first."""
    parts = [table[name].combine_chunks().cast(pa.string()) for name in LEVELS[: level + 1]]
    joined = parts[0]
    for part in parts[1:]:
        joined = pc.coalesce(pc.binary_join_element_wise(joined, part, SEPARATOR), joined)
    return joined.dictionary_encode()
