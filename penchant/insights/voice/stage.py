"""The `read-reviews` stage: what customers say, as of a snapshot."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from penchant.artifacts import Snapshot
from penchant.artifacts.voice import (
    ASPECTS,
    PASSAGES,
    POSTINGS,
    REVIEWS,
    TOPICS,
    VoiceRecord,
)
from penchant.encryption import parquet as pq
from penchant.errors import NothingToDo
from penchant.insights.search.index import SearchIndex
from penchant.insights.voice.answers import (
    answer_quality,
    index_passages,
    passages_of,
    passages_table,
    postings_table,
    question_quality,
)
from penchant.insights.voice.aspects import aspect_rows, mentions
from penchant.insights.voice.marking import copies, is_advertising
from penchant.insights.voice.questions import read_questions
from penchant.insights.voice.reviews import Reviews, Sentence, read_reviews, sentences_of
from penchant.insights.voice.sentiment import Sentiment, learn_sentiment
from penchant.insights.voice.topics import topic_quality, topic_rows
from penchant.settings import Settings
from penchant.words import words

NAMES = ("title", "brand", "category_1", "category_2", "category_3")
Floats = npt.NDArray[np.float64]
QUOTES = pa.list_(
    pa.struct(
        [
            ("user_id", pa.string()),
            ("item_id", pa.string()),
            ("reviewed_at", pa.timestamp("us")),
            ("text", pa.string()),
            ("sentiment", pa.float64()),
        ]
    )
)
ASPECT_SCHEMA = pa.schema(
    [
        ("level", pa.string()),
        ("name", pa.string()),
        ("language", pa.string()),
        ("aspect", pa.string()),
        ("reviews", pa.int64()),
        ("sentiment", pa.float64()),
        ("favourable", pa.float64()),
        ("trend", pa.float64()),
        (
            "months",
            pa.list_(
                pa.struct(
                    [
                        ("month", pa.string()),
                        ("mentions", pa.int64()),
                        ("sentiment", pa.float64()),
                    ]
                )
            ),
        ),
        ("quotes", QUOTES),
    ]
)
TOPIC_SCHEMA = pa.schema(
    [
        ("language", pa.string()),
        ("words", pa.list_(pa.string())),
        ("share", pa.float64()),
        ("months", pa.list_(pa.struct([("month", pa.string()), ("share", pa.float64())]))),
        ("quotes", QUOTES),
    ]
)


@dataclass(frozen=True)
class VoiceReport:
    """``repeated``: the reviews were read already."""

    record: VoiceRecord
    repeated: bool

    def summary(self) -> str:
        record, done = self.record, "unchanged" if self.repeated else "read"
        auc = f", AUC {record.sentiment.auc['mean']:.3f}" if record.sentiment else ""
        return (
            f"{done} {record.reviews:,} reviews: {record.aspects:,} aspects, {record.topics} "
            f"topics, {record.passages:,} passages; sentiment by {record.scored_by}{auc}"
        )

    def as_dict(self) -> dict[str, Any]:
        return self.record.as_dict()


def read_voice(settings: Settings, snapshot_id: str) -> VoiceReport:
    """Write ``insights/<snapshot>/voice/``, once, and make it the published one.

    Raises NothingToDo for a snapshot without a review that has text.
    """
    snapshot = Snapshot.checked(settings, snapshot_id)

    def write(folder: Path) -> VoiceRecord:
        return write_voice(settings, snapshot, folder)

    record, repeated = VoiceRecord.publish_once(settings, snapshot.id, write)
    return VoiceReport(record, repeated)


def write_voice(settings: Settings, snapshot: Snapshot, folder: Path) -> VoiceRecord:
    """Write all files but the record to a folder."""
    reviews, without_text = read_reviews(snapshot)
    if not len(reviews):
        raise NothingToDo(
            f"snapshot {snapshot.id} has no review with text ({without_text} without)",
            "land `reviews` with the column `text`, then build again",
        )
    items = _items(snapshot)
    original_R = copies(reviews.tokens)
    advertising_R = np.array(
        [is_advertising(*each) for each in zip(reviews.texts, reviews.tokens, strict=True)], bool
    )
    kept_R = (original_R < 0) & ~advertising_R
    said = sentences_of(reviews, kept_R)
    model, quality = learn_sentiment(reviews, kept_R)
    liked_S = _liked(reviews, said, model)
    own = {
        item_id: frozenset(words(" ".join(row[name] or "" for name in NAMES)))
        for item_id, row in items.items()
    }
    aspects = aspect_rows(reviews, said, mentions(reviews, said, own), liked_S)
    topics = topic_rows(reviews, kept_R, settings.seed)
    descriptions = {item_id: row["description"] for item_id, row in items.items()}
    titles = {item_id: row["title"] for item_id, row in items.items()}
    questions = read_questions(snapshot)
    passages = passages_of(reviews, said, descriptions, questions)
    postings = index_passages(passages, titles)
    pq.write_table(_reviews_table(reviews, model, original_R, advertising_R), folder / REVIEWS)
    pq.write_table(pa.Table.from_pylist(aspects, ASPECT_SCHEMA), folder / ASPECTS)
    pq.write_table(pa.Table.from_pylist(topics, TOPIC_SCHEMA), folder / TOPICS)
    pq.write_table(passages_table(passages), folder / PASSAGES)
    pq.write_table(postings_table(postings), folder / POSTINGS)
    return VoiceRecord(
        snapshot_id=snapshot.id,
        reviews=len(reviews),
        without_text=without_text,
        copies=int((original_R >= 0).sum()),
        advertising=int(advertising_R.sum()),
        languages=dict(sorted(Counter(reviews.languages).items())),
        scored_by="text" if model else "rating",
        aspects=len(aspects),
        topics=len(topics),
        passages=len(passages),
        sentiment=quality,
        coherence=topic_quality(reviews, kept_R, settings.seed),
        answers=answer_quality(reviews, said, descriptions, titles, settings.seed),
        questions=question_quality(questions, passages, SearchIndex(postings, len(passages))),
    )


def _items(snapshot: Snapshot) -> Mapping[str, dict[str, Any]]:
    names = ("item_id", "description", *NAMES)
    present = pq.read_schema(snapshot.mart("items")).names
    table = pq.read_table(
        snapshot.mart("items"), columns=[name for name in names if name in present]
    )
    return {row["item_id"]: {**dict.fromkeys(names), **row} for row in table.to_pylist()}


def _liked(reviews: Reviews, said: list[Sentence], model: Sentiment | None) -> Floats:
    """liked_S: by the sentence's text; without a model, by its review's rating, 0.5 between."""
    if model is not None:
        return model.of([sentence.tokens for sentence in said])
    rated_R = np.nan_to_num(reviews.liked_R, nan=0.5)
    return rated_R[[sentence.review for sentence in said]]


def _reviews_table(
    reviews: Reviews,
    model: Sentiment | None,
    original_R: npt.NDArray[np.int64],
    advertising_R: npt.NDArray[np.bool_],
) -> pa.Table:
    """A row per review. ``copy_of``: row of the review that it nearly repeats."""
    rated_R = np.nan_to_num(reviews.liked_R, nan=0.5)
    return pa.table(
        {
            "user_id": pa.array(reviews.user_ids, pa.string()),
            "item_id": pa.array(reviews.item_ids, pa.string()),
            "reviewed_at": pa.array(reviews.reviewed_at, pa.timestamp("us")),
            "rating": reviews.rating_R,
            "language": pa.array(reviews.languages, pa.string()),
            "sentiment": model.of(reviews.tokens) if model else rated_R,
            "copy_of": pa.array(original_R, mask=original_R < 0),
            "advertising": advertising_R,
        }
    )
