"""Vectors that a shop brought of its items, as columns of the catalogue.

A column is named ``vector:KIND``, and null where an item has none.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from penchant.errors import DataError

PREFIX = "vector:"


def with_vectors(items: pa.Table, embeddings: pa.Table) -> pa.Table:
    """The catalogue with a column for each kind of the mart ``item_embeddings``.

    Raises DataError for a kind whose vectors differ in length.
    """
    place = {item_id: row for row, item_id in enumerate(items["item_id"].to_pylist())}
    found: dict[str, list[list[float] | None]] = {}
    for row in embeddings.select(["item_id", "kind", "vector"]).to_pylist():
        column = found.setdefault(row["kind"], [None] * len(items))
        column[place[row["item_id"]]] = row["vector"]
    for kind, vectors in sorted(found.items()):
        _check_lengths(kind, items["item_id"].to_pylist(), vectors)
        items = items.append_column(f"{PREFIX}{kind}", pa.array(vectors, pa.list_(pa.float32())))
    return items


def vectors_of(items: pa.Table) -> dict[str, npt.NDArray[np.float32]]:
    """By kind: vectors_ID, rows of zeros where an item has none."""
    return {
        name.removeprefix(PREFIX): _matrix(items[name].combine_chunks())
        for name in items.column_names
        if name.startswith(PREFIX)
    }


def _check_lengths(kind: str, item_ids: list[str], vectors: list[list[float] | None]) -> None:
    known = [(item, each) for item, each in zip(item_ids, vectors, strict=True) if each is not None]
    first, vector = known[0]
    for item, other in known:
        if len(other) != len(vector):
            raise DataError(
                f"vectors of kind {kind!r} differ in length: {len(vector)} numbers of item "
                f"{first!r}, {len(other)} of item {item!r}",
                "set aside the batches of the wrong model with `penchant quarantine`, and build "
                "again",
            )


def _matrix(column: pa.ListArray) -> npt.NDArray[np.float32]:
    known_I = column.is_valid().to_numpy(zero_copy_only=False)
    flat = column.drop_null().flatten().to_numpy()
    vectors_ID = np.zeros((len(column), len(flat) // max(1, int(known_I.sum()))), np.float32)
    vectors_ID[known_I] = flat.reshape(int(known_I.sum()), -1)
    return vectors_ID
