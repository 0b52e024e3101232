"""What is known of items without a sale: category levels, brand, words and price, as matrices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from penchant.artifacts import Snapshot
from penchant.encryption import parquet as pq
from penchant.words import words

Floats = npt.NDArray[np.float64]

LEVELS = ("category_1", "category_2", "category_3")
TEXTS = ("title", "description")
BLOCKS = (*LEVELS, "brand", "words")
MOST_WORDS = 5000  # of the catalogue, the most frequent


@dataclass(frozen=True)
class Catalogue:
    """``blocks``: by name, a sparse row per item of length 1 or 0: one path or brand, or TF-IDF of
    words. ``log_price_I``: NaN where unknown."""

    item_ids: tuple[str, ...]
    titles: tuple[str, ...]
    first_level: tuple[str | None, ...]
    blocks: dict[str, sparse.csr_matrix]
    log_price_I: Floats


def read_catalogue(snapshot: Snapshot) -> Catalogue:
    """All items of a snapshot, sorted by id."""
    names = ("item_id", *TEXTS, "brand", "price", *LEVELS)
    present = pq.read_schema(snapshot.mart("items")).names
    rows = (
        pq.read_table(snapshot.mart("items"), columns=[name for name in names if name in present])
        .sort_by("item_id")
        .to_pylist()
    )
    items = [{**dict.fromkeys(names), **row} for row in rows]
    paths = {
        level: [_path([row[each] for each in LEVELS[: depth + 1]]) for row in items]
        for depth, level in enumerate(LEVELS)
    }
    texts = [words(" ".join(row[name] or "" for name in TEXTS)) for row in items]
    price_I = np.array([row["price"] or np.nan for row in items], np.float64)
    return Catalogue(
        tuple(row["item_id"] for row in items),
        tuple(row["title"] or row["item_id"] for row in items),
        tuple(row["category_1"] for row in items),
        {
            **{level: _one_hot(values) for level, values in paths.items()},
            "brand": _one_hot([row["brand"] for row in items]),
            "words": _tf_idf(texts),
        },
        np.log(np.where(price_I > 0, price_I, np.nan)),
    )


def _path(levels: Sequence[str | None]) -> str | None:
    """None where the last level is unknown."""
    return " > ".join(str(level) for level in levels) if all(levels) else None


def _one_hot(values: Sequence[str | None]) -> sparse.csr_matrix:
    code_of = {name: code for code, name in enumerate(sorted({v for v in values if v}))}
    rows = [row for row, value in enumerate(values) if value]
    columns = [code_of[value] for value in values if value]
    shape = (len(values), max(1, len(code_of)))
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape)


def _tf_idf(texts: Sequence[list[str]]) -> sparse.csr_matrix:
    """Rows of length 1: rare words weigh more, a word counts once."""
    counts: dict[str, int] = {}
    for text in texts:
        for word in set(text):
            counts[word] = counts.get(word, 0) + 1
    kept = sorted(counts, key=lambda word: (-counts[word], word))[:MOST_WORDS]
    code_of = {word: code for code, word in enumerate(kept)}
    rows, columns, values = [], [], []
    for row, text in enumerate(texts):
        for word in sorted(set(text) & code_of.keys()):
            rows.append(row)
            columns.append(code_of[word])
            values.append(np.log(len(texts) / counts[word]) + 1e-6)
    shape = (len(texts), max(1, len(kept)))
    return unit_rows(sparse.csr_matrix((values, (rows, columns)), shape))


def unit_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Each row divided by its length; a row of zeros stays."""
    length_R = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.diags(1 / np.maximum(length_R, 1e-12)).dot(matrix).tocsr()
