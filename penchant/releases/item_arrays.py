"""All items of a release as arrays: ids, category paths, prices, vectors and popularity."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Protocol

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


class ItemFilters(Protocol):
    """What filters read of an item."""

    @property
    def path(self) -> Sequence[str]:
        """Category path, the widest first."""

    @property
    def price(self) -> float | None: ...


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
        encoded = [_paths(table, level) for level in range(len(LEVELS))]
        self._code_of = [_code_of(paths) for paths in encoded]
        """Of each level: path → code."""
        self.levels_IL = np.stack([_codes(paths) for paths in encoded], axis=1)
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
        name = category.strip()
        for level, code_of in enumerate(self._code_of):
            if name in code_of:
                return self.levels_IL[:, level] == code_of[name]
        raise UsageError(
            f"no item is in the category {category!r}",
            f"pass one of {', '.join(sorted(self._code_of[0])[:20])}, or a path below it, such as "
            "those that /v1/portrait shows",
        )

    def with_changes(self, changed: Mapping[str, ItemFilters]) -> "Items":
        """The same items, some with another category path or price. Raises KeyError for an item
        that is not among them."""
        result = copy(self)
        result.prices_I, result.levels_IL = self.prices_I.copy(), self.levels_IL.copy()
        result._code_of = [dict(code_of) for code_of in self._code_of]
        for item_id, row in zip(changed, self.ids.rows(list(changed)).tolist(), strict=True):
            if row < 0:
                raise KeyError(item_id)
            facts = changed[item_id]
            result.prices_I[row] = np.nan if facts.price is None else facts.price
            for level, code_of in enumerate(result._code_of):
                path = SEPARATOR.join(facts.path[: level + 1])
                code = code_of.setdefault(path, len(code_of)) if path else -1
                result.levels_IL[row, level] = code
        return result


def _ids(column: pa.ChunkedArray) -> Ids:
    encoded = [each.encode() for each in column.to_pylist()]
    return Ids(np.array(encoded, dtype=np.bytes_))


def _code_of(paths: pa.DictionaryArray) -> dict[str, int]:
    return {name: code for code, name in enumerate(paths.dictionary.to_pylist())}


def _codes(paths: pa.DictionaryArray) -> IntArray:
    return pc.fill_null(paths.indices, -1).to_numpy().astype(np.int64)


def _paths(table: pa.Table, level: int) -> pa.DictionaryArray:
    """Each item's path down to a level, without the levels that it lacks; null without a first."""
    parts = [table[name].combine_chunks().cast(pa.string()) for name in LEVELS[: level + 1]]
    joined = parts[0]
    for part in parts[1:]:
        joined = pc.coalesce(pc.binary_join_element_wise(joined, part, SEPARATOR), joined)
    return joined.dictionary_encode()
