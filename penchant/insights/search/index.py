"""An inverted index in mapped arrays: BM25 over several fields, prefixes and typing errors.

A word's impact on an item is computed when the index is made (BM25F: Robertson, Zaragoza and
Taylor, 2004): a query only adds up the impacts of its words. Words are sorted, so the words with a
prefix are neighbours. The tokenizer is that of the whole platform, which folds case, width and
accents.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from penchant.encryption.encrypted_file import protect_files
from penchant.encryption.home_files import PLACES
from penchant.insights.search.spelling import Spelling
from penchant.vectors import load_array
from penchant.words import words as words_of

FIELDS = {"title": 3.0, "brand": 1.0, "category": 1.0, "description": 0.5}
"""Weight of a word by the field that it is in."""

K1, B = 1.2, 0.5
MAX_WORDS = 16  # of a query
MAX_UNKNOWN = 3  # words of a query that are corrected; each is compared with many known ones
MAX_PREFIXED = 64  # words that a prefix stands for
PREFIX, CORRECTED = 0.7, 0.6  # how much such words count, beside 1 for the word itself
WORDS, STARTS, ITEMS, IMPACTS = "words.npy", "starts.npy", "items.npy", "impacts.npy"

Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Matches:
    """``items_N``: rows of the best items, best first, with their ``scores_N``. ``complete``: they
    have all words. ``corrected``: words that were replaced, by what they were written as."""

    items_N: Ints
    scores_N: Floats32
    complete: bool
    corrected: dict[str, str]


@dataclass(frozen=True)
class Postings:
    """By word, sorted: the items with it are ``item_P[start_W1[w] : start_W1[w + 1]]``, each with
    the word's impact on its score."""

    words: Sequence[str]
    start_W1: Ints
    item_P: npt.NDArray[np.int32]
    impact_P: Floats32


class SearchIndex:
    """Immutable; safe to share between threads."""

    def __init__(self, postings: Postings, items: int) -> None:
        """``items``: the number of items that were indexed."""
        self._count = items
        self._words = list(postings.words)
        self._place = {word: row for row, word in enumerate(self._words)}
        self._sorted = np.array(self._words, dtype=object)
        self._start_W1 = postings.start_W1
        self._item_P = postings.item_P
        self._impact_P = postings.impact_P
        frequency_W = np.diff(self._start_W1)
        self._spelling = Spelling(self._words, frequency_W)
        self._corrected = lru_cache(10_000)(self._spelling.correct)

    @classmethod
    def open(cls, folder: Path, items: int) -> Self:
        """Read the arrays that ``write_index`` wrote."""
        words, *arrays = (load_array(folder / name) for name in (WORDS, STARTS, ITEMS, IMPACTS))
        return cls(Postings(words.tolist(), *arrays), items)

    def scores(self, words: Sequence[str]) -> Floats32:
        """scores_I of whole words as they are; those that no item has are left out."""
        scores_I = np.zeros(self._count, np.float32)
        counted_I = np.zeros(self._count, np.int8)
        for word in list(dict.fromkeys(words))[:MAX_WORDS]:
            if word in self._place:
                self._add({self._place[word]: 1.0}, scores_I, counted_I)
        return scores_I

    def search(self, query: str, most: int, correct: bool = True) -> Matches:
        """The ``most`` best items. Those with all words if there are any, else those with most.

        The last word may be the beginning of one, unless a space follows it.
        """
        words = list(dict.fromkeys(words_of(query)))[:MAX_WORDS]
        scores_I = np.zeros(self._count, np.float32)
        counted_I = np.zeros(self._count, np.int8)
        corrected: dict[str, str] = {}
        unknown = 0
        for number, word in enumerate(words):
            typing = number == len(words) - 1 and not query.endswith(" ")
            found = self._rows_of(word, typing)
            unknown += not found
            if not found and correct and unknown <= MAX_UNKNOWN:
                replaced = self._corrected(word)
                if replaced is not None:
                    corrected[word] = self._words[replaced]
                    found = {replaced: CORRECTED}
            self._add(found, scores_I, counted_I)
        most_words = int(counted_I.max(initial=0))
        if not most_words:
            return Matches(np.zeros(0, np.int64), np.zeros(0, np.float32), False, corrected)
        candidates_C = np.flatnonzero(counted_I == most_words)
        if len(candidates_C) > most:
            best = np.argpartition(-scores_I[candidates_C], most - 1)[:most]
            candidates_C = np.sort(candidates_C[best])
        order = np.argsort(-scores_I[candidates_C], kind="stable")
        chosen = candidates_C[order]
        return Matches(chosen, scores_I[chosen], most_words == len(words), corrected)

    def _rows_of(self, word: str, typing: bool) -> dict[int, float]:
        """Rows of the words that a word stands for, with how much they count."""
        found = {}
        if typing:
            low = int(np.searchsorted(self._sorted, word))
            high = int(np.searchsorted(self._sorted, word + "\U0010ffff"))
            rows = np.arange(low, high)
            if len(rows) > MAX_PREFIXED:
                rows = rows[np.argsort(-np.diff(self._start_W1)[rows])[:MAX_PREFIXED]]
            found = dict.fromkeys(rows.tolist(), PREFIX)
        if word in self._place:
            found[self._place[word]] = 1.0
        return found

    def _add(self, rows: dict[int, float], scores_I: Floats32, counted_I: np.ndarray) -> None:
        """Add a word's impacts: of several words that it stands for, the greatest one."""
        if not rows:
            return
        spans = [slice(*self._start_W1[row : row + 2]) for row in rows]
        items = np.concatenate([self._item_P[span] for span in spans])
        impacts = np.concatenate(
            [
                self._impact_P[span] * np.float32(factor)
                for span, factor in zip(spans, rows.values(), strict=True)
            ]
        )
        if len(rows) > 1:
            order = np.lexsort((-impacts, items))
            items, impacts = items[order], impacts[order]
            first = np.r_[True, items[1:] != items[:-1]]
            items, impacts = items[first], impacts[first]
        scores_I[items] += impacts
        counted_I[items] += 1


def write_index(folder: Path, texts: Mapping[str, Sequence[str | None]]) -> int:
    """Index the items' texts by field; returns the number of different words."""
    found = postings_of(texts, FIELDS)
    np.save(folder / WORDS, np.array(found.words, dtype=np.str_))
    np.save(folder / STARTS, found.start_W1)
    np.save(folder / ITEMS, found.item_P)
    np.save(folder / IMPACTS, found.impact_P)
    protect_files(folder, PLACES["insights"])
    return len(found.words)


def postings_of(texts: Mapping[str, Sequence[str | None]], fields: Mapping[str, float]) -> Postings:
    """Of the texts by field. ``fields``: the weight of each."""
    items = len(next(iter(texts.values())))
    weights: list[Counter[str]] = [Counter() for _ in range(items)]
    for field, weight in fields.items():
        split = [words_of(text) if text else [] for text in texts[field]]
        average = max(1.0, sum(map(len, split)) / max(1, items))
        for counter, words in zip(weights, split, strict=True):
            for word in words:
                counter[word] += weight / (1 - B + B * len(words) / average)  # type: ignore[assignment]
    postings: dict[str, tuple[list[int], list[float]]] = {}
    for item, counter in enumerate(weights):
        for word, weight in counter.items():
            rows, values = postings.setdefault(word, ([], []))
            rows.append(item)
            values.append(weight)
    vocabulary = sorted(postings)
    lengths = [len(postings[word][0]) for word in vocabulary]
    impacts = []
    for word in vocabulary:
        frequency = np.array(postings[word][1])
        rarity = np.log1p((items - len(frequency) + 0.5) / (len(frequency) + 0.5))
        impacts.append(rarity * frequency * (K1 + 1) / (K1 + frequency))
    rows_P = [np.array(postings[word][0], np.int32) for word in vocabulary]
    return Postings(
        vocabulary,
        np.r_[0, np.cumsum(lengths, dtype=np.int64)].astype(np.int64),
        np.concatenate(rows_P) if rows_P else np.zeros(0, np.int32),
        (np.concatenate(impacts) if impacts else np.zeros(0)).astype(np.float32),
    )
