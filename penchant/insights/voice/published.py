"""What customers say in the newest snapshot, as the API server reads it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from penchant.artifacts.voice import (
    ASPECTS,
    PASSAGES,
    POSTINGS,
    REVIEWS,
    TOPICS,
    VoiceRecord,
)
from penchant.encryption import parquet as pq
from penchant.errors import UnknownId
from penchant.insights.search.index import SearchIndex
from penchant.insights.voice.answers import (
    Passage,
    best_passages,
    question_words,
    read_postings,
)
from penchant.settings import Settings

SAME = 20  # passages with the same text, at most, that do not crowd others out


@dataclass(frozen=True)
class FoundPassage:
    """``score``: comparable only within one answer."""

    passage: Passage
    score: float


class PublishedVoice:
    """One snapshot's, in memory. Immutable; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.record = VoiceRecord.read(folder / "voice.json")
        self._folder = folder
        self._aspects = pq.read_table(folder / ASPECTS).to_pylist()
        self.topics: list[dict[str, Any]] = pq.read_table(folder / TOPICS).to_pylist()
        table = pq.read_table(folder / PASSAGES)
        self._passages = [Passage(**row) for row in table.to_pylist()]
        self._item_P = np.array([each.item_id for each in self._passages], dtype=object)
        postings = read_postings(pq.read_table(folder / POSTINGS))
        self._index = SearchIndex(postings, len(self._passages))

    def of_shop(self) -> list[dict[str, Any]]:
        """Aspects of all reviews, those of most reviews first."""
        return self._of("shop", None)

    def of_category(self, category: str) -> list[dict[str, Any]]:
        """Raises UnknownId for a category without aspects."""
        return self._of("category", category)

    def of_item(self, item_id: str) -> list[dict[str, Any]]:
        """Raises UnknownId for an item without aspects."""
        return self._of("item", item_id)

    def categories(self) -> list[str]:
        """First levels that have aspects."""
        return sorted({row["name"] for row in self._aspects if row["level"] == "category"})

    def answer(self, question: str, item_id: str | None, most: int) -> list[FoundPassage]:
        """The passages with most of the question's words, best first; none where none has any.

        Raises UnknownId for an item without review, description and answer.
        """
        among = None
        if item_id is not None:
            among = self._item_P == item_id
            if not among.any():
                raise UnknownId(
                    f"item {item_id!r} has no review, description or answer in snapshot "
                    f"{self.record.snapshot_id}",
                    "leave item_id out to search those of all items",
                )
        best = best_passages(self._index, question_words(question), SAME * most, among)
        found: dict[tuple[str, str], FoundPassage] = {}  # one of those with the same text
        for row, score in best:
            passage = self._passages[row]
            found.setdefault((passage.source, passage.text), FoundPassage(passage, score))
        return list(found.values())[:most]

    def of_user(self, user_id: str) -> list[dict[str, Any]]:
        """What was found out about a user's own reviews."""
        columns = ["user_id", "item_id", "reviewed_at", "language", "sentiment", "advertising"]
        rows = pq.read_table(self._folder / REVIEWS, columns=columns).to_pylist()
        return [row for row in rows if row["user_id"] == user_id]

    def _of(self, level: str, name: str | None) -> list[dict[str, Any]]:
        found = [r for r in self._aspects if r["level"] == level and r["name"] == name]
        if not found and name is not None:
            raise UnknownId(
                f"{level} {name!r} has no aspect in snapshot {self.record.snapshot_id}",
                "aspects need five reviews of a category, three of an item, with text",
            )
        return sorted(found, key=lambda row: (-row["reviews"], row["aspect"]))


def published_voice(settings: Settings) -> PublishedVoice:
    """Raises NothingToDo until reviews are read."""
    return _opened(VoiceRecord.published_folder(settings))


@lru_cache(2)
def _opened(folder: Path) -> PublishedVoice:
    return PublishedVoice(folder)
