"""Item metadata: words, tags and category paths.

Read from the mart `items`, or from the attributes of a published table. Missing columns and values
are skipped.
"""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from penchant.errors import DataError

LEVELS = ("category_1", "category_2", "category_3")
"""Of the category tree, from the root."""
TEXT = ("title", "description", *LEVELS, "brand")
TAGS = (*LEVELS, "brand", "attributes")
NO_CATEGORY = -1


def texts(items: pa.Table) -> list[str]:
    """The text of each item, in the order of the table; empty where it has none.

    A numeric attribute is one word.
    """
    words: list[list[str]] = [[] for _ in range(len(items))]
    for column in TEXT:
        if column in items.column_names:
            for one, value in zip(words, items[column].to_pylist(), strict=True):
                one += [value] if value else []
    if "attributes" in items.column_names:
        for one, values in zip(words, items["attributes"].to_pylist(), strict=True):
            one += [f"attribute{value}" for value in values]
    return [" ".join(one) for one in words]


def tags(items: pa.Table) -> sp.csr_matrix:
    """tags_IT: 1 where an item has a category, a brand or an attribute; float32."""
    found = [_tags_of(items[column]) for column in TAGS if column in items.column_names]
    empty = sp.csr_matrix((len(items), 0), dtype=np.float32)
    return sp.hstack([empty, *found], format="csr", dtype=np.float32)


def category_paths(items: pa.Table, level: int) -> list[str]:
    """Each item's path from the root to a level, from 1; empty where it is less deep."""
    paths: list[str] = _paths(items, level).to_pylist()
    return paths


def category_codes(items: pa.Table) -> npt.NDArray[np.int64]:
    """codes_IL: a number for each item's path to each level, ``NO_CATEGORY`` where it has none."""
    codes = []
    for level in range(1, len(LEVELS) + 1):
        paths = _paths(items, level)
        indices = paths.dictionary_encode().indices.to_numpy().astype(np.int64)
        codes.append(
            np.where(pc.equal(paths, "").to_numpy(zero_copy_only=False), NO_CATEGORY, indices)
        )
    return np.stack(codes, axis=1)


def _paths(items: pa.Table, level: int) -> pa.StringArray:
    """``category_paths`` as an array."""
    if not set(LEVELS[:level]) <= set(items.column_names):
        return pa.repeat("", len(items))
    named = [items[name].combine_chunks().cast(pa.string()) for name in LEVELS[:level]]
    # a path with an empty part is null
    parts = [pc.if_else(pc.equal(part, ""), None, part) for part in named]
    return pc.fill_null(pc.binary_join_element_wise(*parts, " > "), "")


def numbered(item_count: int) -> pa.Table:
    """A catalogue without metadata."""
    return pa.table({"item_id": [str(item) for item in range(1, item_count + 1)]})


def read_attributes(path: Path, item_count: int) -> pa.Table:
    """A catalogue with the column ``attributes``, from JSON of item -> attribute ids.

    Raises DataError when the file does not exist.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist", "point to the folder that holds the attributes")
    found = json.loads(path.read_text())
    values = [found.get(str(item), []) for item in range(1, item_count + 1)]
    return numbered(item_count).append_column("attributes", pa.array(values, pa.list_(pa.int64())))


def _tags_of(column: pa.ChunkedArray) -> sp.csr_matrix:
    column = column.combine_chunks()
    if pa.types.is_list(column.type):
        rows, values = pc.list_parent_indices(column).to_numpy(), column.flatten()
    else:
        rows, values = np.flatnonzero(column.is_valid()), column.drop_null()
    encoded = values.dictionary_encode()
    columns = encoded.indices.to_numpy()
    shape = (len(column), len(encoded.dictionary))
    return sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape)
