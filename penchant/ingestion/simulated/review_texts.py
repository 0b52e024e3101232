"""Texts of reviews: aspects of the department, favourable or not as the rating is, in the author's
language.

An item has a lasting quality for each aspect, so what is said about it is not said at random. The
random numbers are of their own, so that nothing else in the simulated shop depends on texts.
"""

import zlib

import numpy as np

from penchant.ingestion.simulated.review_sentences import (
    ASPECTS,
    ENDS,
    FAVOURABLE,
    OPENINGS,
    REMARKS,
    UNFAVOURABLE,
    WHOM,
    joined,
    name_of,
)

LANGUAGES = {"en": 0.7, "zh": 0.15, "ja": 0.15}
COPIED, ADVERTISING = 0.01, 0.01  # shares of reviews
MOST_ASPECTS = 3  # of a review
SAID, RATED = 1.2, 1.5  # how much the item's quality and the rating weigh
REMARKED = 0.4  # share of reviews with a sentence about something else

COPY = "Best shop of all, everything came on time and my whole family is happy with it, buy it now."
ADVERTISEMENT = "I found it for half the price, visit www.cheaper.example and see for yourself."


def review_text(user: str, item: str, department: str, rating: float, number: int) -> str:
    """``number``: of the review; the same arguments give the same text."""
    rng = np.random.default_rng([number, zlib.crc32(f"{user} {item}".encode())])
    kind = rng.random()
    if kind < COPIED:
        return COPY
    if kind < COPIED + ADVERTISING:
        return ADVERTISEMENT
    language = language_of(user)
    count = int(rng.integers(1, MOST_ASPECTS + 1))
    whom = str(rng.choice(WHOM[language]))
    said = [OPENINGS[language].format(rng.integers(1, 9), whom, rng.integers(2, 30))]
    for aspect in rng.choice(ASPECTS[department], count, replace=False).tolist():
        good = rng.random() < _sigmoid(SAID * quality_of(item, aspect) + RATED * (rating - 3))
        sentences = FAVOURABLE[language] if good else UNFAVOURABLE[language]
        said.append(str(rng.choice(sentences)).format(name_of(aspect, language)))
    if rng.random() < REMARKED:
        said.insert(int(rng.integers(1, len(said) + 1)), str(rng.choice(REMARKS[language])))
    if rng.random() < 0.5:
        said.append(ENDS[language][int(rating > 3)])
    return joined(said, language)


def language_of(user: str) -> str:
    """A user's language, the same in all reviews."""
    rng = np.random.default_rng(zlib.crc32(user.encode()))
    return str(rng.choice(list(LANGUAGES), p=list(LANGUAGES.values())))


def quality_of(item: str, aspect: str) -> float:
    """How much better an aspect of an item is than usual: standard normal."""
    return float(np.random.default_rng(zlib.crc32(f"{item} {aspect}".encode())).normal())


def _sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))
