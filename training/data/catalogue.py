"""What is known of an item beside who bought it: its words, and its tags.

Read from the mart `items`, or from the attributes that come with a published table. Columns that a
table lacks, and values that an item lacks, say nothing.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from penchant.errors import DataError

TEXT = ("title", "description", "category_1", "category_2", "category_3", "brand")
TAGS = ("category_1", "category_2", "category_3", "brand", "attributes")


def texts(items: pa.Table) -> list[str]:
    """The words of each item, in the order of the table; empty where it has none.

    An attribute that is only a number counts as a word.
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
    """tags_IT: ones where an item carries a category, a brand or an attribute; float32."""
    found = [_tags_of(items[column]) for column in TAGS if column in items.column_names]
    empty = sp.csr_matrix((len(items), 0), dtype=np.float32)
    return sp.hstack([empty, *found], format="csr", dtype=np.float32)


def numbered(item_count: int) -> pa.Table:
    """A catalogue of which nothing is known."""
    return pa.table({"item_id": [str(item) for item in range(1, item_count + 1)]})


def read_attributes(path: Path, item_count: int) -> pa.Table:
    """A catalogue with the column ``attributes``, from JSON of item -> attribute ids.

    Raises DataError when the file isn't there.
    """
    if not path.is_file():
        raise DataError(f"{path} isn't there", "point to the folder that holds the attributes")
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
