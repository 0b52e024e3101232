"""Reviews of a snapshot with text, and the sentences that they are made of."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts import Snapshot
from penchant.encryption import parquet as pq
from penchant.encryption.duckdb_connection import connect
from penchant.insights.voice.language import languages_of
from penchant.words import words

SCALES = (5.0, 10.0, 100.0)  # the first one that no rating is above is the shop's
LONGEST = 5000  # characters of a text that are read
LONGEST_SENTENCE = 400
_END = re.compile("(?<=[.!?;])\\s+|(?<=[\u3002\uff01\uff1f\uff1b])|[\r\n]+")


@dataclass(frozen=True)
class Sentence:
    """``tokens``: its words, folded. ``review``: row of its review."""

    review: int
    text: str
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Reviews:
    """A row per review, by time. ``liked_R``: 1 for the upper two fifths of the scale, 0 for the
    lower two, NaN between. ``category``: the item's first level."""

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    reviewed_at: tuple[datetime, ...]
    rating_R: npt.NDArray[np.float64]
    liked_R: npt.NDArray[np.float64]
    texts: tuple[str, ...]
    languages: tuple[str, ...]
    category: tuple[str | None, ...]
    tokens: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.texts)

    def months(self) -> list[str]:
        return [f"{at:%Y-%m}" for at in self.reviewed_at]


def read_reviews(snapshot: Snapshot) -> tuple[Reviews, int]:
    """The reviews with text, and the number of those without, which tell nothing here."""
    if not snapshot.mart("reviews").exists():
        return as_reviews([], {}), 0
    columns = "user_id, item_id, reviewed_at, rating, text"
    with connect(snapshot.path) as connection:
        counted = f"SELECT {columns} FROM {snapshot.counted('reviews')}"
        table = connection.sql(counted).to_arrow_table()
    written = table.filter(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(_texts(table))), 0))
    rows = written.sort_by([("reviewed_at", "ascending"), ("user_id", "ascending")]).to_pylist()
    items = pq.read_table(snapshot.mart("items"), columns=["item_id", "category_1"])
    category_of = dict(zip(*(items[name].to_pylist() for name in items.column_names), strict=True))
    return as_reviews(rows, category_of), len(table) - len(written)


def as_reviews(rows: Sequence[dict], category_of: dict[str, str | None]) -> Reviews:
    """From rows of the mart ``reviews``."""
    texts = tuple(row["text"][:LONGEST] for row in rows)
    rating_R = np.array([row["rating"] for row in rows], np.float64)
    highest = float(rating_R.max(initial=0.0))
    share_R = rating_R / next((scale for scale in SCALES if highest <= scale), highest)
    return Reviews(
        tuple(row["user_id"] for row in rows),
        tuple(row["item_id"] for row in rows),
        tuple(row["reviewed_at"] for row in rows),
        rating_R,
        np.where(share_R >= 0.8, 1.0, np.where(share_R <= 0.4, 0.0, np.nan)),
        texts,
        tuple(languages_of(texts)),
        tuple(category_of.get(row["item_id"]) for row in rows),
        tuple(tuple(words(text)) for text in texts),
    )


def sentences(text: str) -> list[str]:
    """Cut after punctuation that ends a sentence, in any script, and at line breaks."""
    found = (part.strip() for part in _END.split(text))
    return [part[:LONGEST_SENTENCE] for part in found if part]


def sentences_of(reviews: Reviews, kept_R: npt.NDArray[np.bool_]) -> list[Sentence]:
    """Of the kept reviews, those with at least a word."""
    return [
        Sentence(row, text, tokens)
        for row in np.flatnonzero(kept_R).tolist()
        for text in sentences(reviews.texts[row])
        if (tokens := tuple(words(text)))
    ]


def _texts(table: pa.Table) -> pa.ChunkedArray:
    return pc.fill_null(table["text"].cast(pa.string()), "")
