"""Typing errors: the known word that is nearest to an unknown one.

Candidates share pairs of letters with it; the one with the fewest edits is taken, of several the
most frequent.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from heapq import nlargest

import numpy as np

SHORT, LONG = 4, 8  # letters from which one edit and two edits are corrected
MAX_CANDIDATES = 100


class Spelling:
    """``frequency_W``: items that have each word."""

    def __init__(self, words: Sequence[str], frequency_W: np.ndarray) -> None:
        self._words, self._frequency_W = words, frequency_W
        self._rows_of: defaultdict[str, list[int]] = defaultdict(list)
        for row, word in enumerate(words):
            for gram in _grams(word):
                self._rows_of[gram].append(row)

    def correct(self, word: str) -> int | None:
        """The row of the nearest known word; None for a short word and one that is near none."""
        allowed = 0 if len(word) < SHORT else 1 if len(word) < LONG else 2
        if not allowed:
            return None
        shared: Counter[int] = Counter()
        for gram in _grams(word):
            shared.update(self._rows_of.get(gram, ()))
        similar = [
            (count, -row)
            for row, count in shared.items()
            if abs(len(self._words[row]) - len(word)) <= allowed
        ]
        near = []
        for _, negative_row in nlargest(MAX_CANDIDATES, similar):
            edits = distance(word, self._words[-negative_row], allowed)
            if edits <= allowed:
                near.append((edits, -int(self._frequency_W[-negative_row]), -negative_row))
        return min(near)[2] if near else None


def distance(one: str, other: str, most: int) -> int:
    """Edits from one word to the other, where exchanging two neighbours is one edit (optimal string
    alignment, Damerau, 1964); ``most + 1`` where there are more."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        previous, before_previous = row, before
        row = [i] + [0] * len(other)
        for j, candidate in enumerate(other, start=1):
            same = letter == candidate
            row[j] = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (not same))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == candidate:
                row[j] = min(row[j], before_previous[j - 2] + 1)
        if min(row) > most:
            return most + 1
        before = previous
    return row[-1]


def _grams(word: str) -> set[str]:
    """Pairs of letters, with the word's ends."""
    padded = f"^{word}$"
    return {padded[at : at + 2] for at in range(len(padded) - 1)}
