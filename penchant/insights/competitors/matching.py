"""Which of our items a competitor's item is: by text and brand, with a confidence.

Texts are TF-IDF vectors of title words and their letter trigrams, so that another order or spelling
of the words still matches. The confidence is the cosine, raised by the same brand and lowered by
another one; each item is matched once, the most confident pairs first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from penchant.words import words

NEAREST = 5  # of our items, that an item is compared with
BRAND = 0.15  # what the same brand adds to a confidence, and another one takes
LEAST_CONFIDENCE = 0.6  # of a match that counts
ROWS = 500  # of a competitor's items, compared at once


@dataclass(frozen=True)
class Listing:
    """An item of a catalogue."""

    item_id: str
    title: str
    brand: str | None
    category: str | None
    price: float | None


@dataclass(frozen=True)
class Similar:
    """``ours_TN``: rows of our nearest items of each of theirs, best first. ``cosine_TN`` of their
    texts; ``score_TN``, with the brands' agreement. Both are 0 where nothing is in common."""

    ours_TN: npt.NDArray[np.int64]
    cosine_TN: npt.NDArray[np.float64]
    score_TN: npt.NDArray[np.float64]


def nearest(ours: Sequence[Listing], theirs: Sequence[Listing]) -> Similar:
    """Our nearest items of each of a competitor's."""
    found = min(NEAREST, len(ours))
    rows_TN = np.zeros((len(theirs), found), np.int64)
    cosine_TN, score_TN = np.zeros((2, len(theirs), found))
    if not ours or not theirs:
        return Similar(rows_TN, cosine_TN, score_TN)
    vectorizer = TfidfVectorizer(analyzer=_terms, sublinear_tf=True, dtype=np.float32)
    vectorizer.fit([each.title for each in (*ours, *theirs)])
    ours_IW = vectorizer.transform([each.title for each in ours]).T.tocsr()
    theirs_TW = vectorizer.transform([each.title for each in theirs])
    brands = [_brand(each) for each in ours]
    for start in range(0, len(theirs), ROWS):
        cosine: sparse.csr_matrix = (theirs_TW[start : start + ROWS] @ ours_IW).tocsr()
        for at in range(cosine.shape[0]):
            span = slice(cosine.indptr[at], cosine.indptr[at + 1])
            rows, values = cosine.indices[span], cosine.data[span].astype(np.float64)
            brand, agreed = _brand(theirs[start + at]), values
            if brand is not None:
                agreed = values + [_agreement(brand, brands[row]) for row in rows.tolist()]
            best = np.lexsort((rows, -agreed))[:found]
            rows_TN[start + at, : len(best)] = rows[best]
            cosine_TN[start + at, : len(best)] = values[best]
            score_TN[start + at, : len(best)] = np.clip(agreed[best], 0.0, 1.0)
    return Similar(rows_TN, cosine_TN, score_TN)


def match(similar: Similar) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """For each of their items the row of ours, and the confidence; -1 and 0 where ours are taken by
    more confident ones or nothing is in common."""
    ours_T = np.full(len(similar.ours_TN), -1, np.int64)
    confidence_T = np.zeros(len(similar.ours_TN))
    theirs_P, place_P = np.nonzero(similar.score_TN > 0)
    score_P = similar.score_TN[theirs_P, place_P]
    taken: set[int] = set()
    for pair in np.lexsort((place_P, theirs_P, -score_P)).tolist():
        their = int(theirs_P[pair])
        our = int(similar.ours_TN[their, place_P[pair]])
        if ours_T[their] < 0 and our not in taken:
            ours_T[their], confidence_T[their] = our, score_P[pair]
            taken.add(our)
    return ours_T, confidence_T


def _terms(title: str) -> list[str]:
    found = words(title)
    return [
        *found,
        *(
            f"#{padded[at : at + 3]}"
            for word in found
            for padded in [f"^{word}$"]
            for at in range(len(padded) - 2)
        ),
    ]


def _brand(listing: Listing) -> str | None:
    return " ".join(words(listing.brand)) or None if listing.brand else None


def _agreement(theirs: str, ours: str | None) -> float:
    if ours is None:
        return 0.0
    return BRAND if theirs == ours else -BRAND
