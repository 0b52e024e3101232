"""Sentiment by aspect in a competitor's reviews against ours."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from penchant.insights.intervals import RESAMPLES
from penchant.insights.voice.aspects import LEAST_REVIEWS, mentions
from penchant.insights.voice.marking import copies, is_advertising
from penchant.insights.voice.reviews import Reviews, as_reviews, sentences_of
from penchant.insights.voice.sentiment import learn_sentiment

Floats = npt.NDArray[np.float64]


def aspect_comparison(
    competitor: str,
    ours: Sequence[dict[str, Any]],
    theirs: Sequence[dict[str, Any]],
    names: Mapping[str, frozenset[str]],
) -> list[dict[str, Any]]:
    """A row per aspect of which both have reviews, the clearest differences first.

    ``ours`` and ``theirs``: rows of reviews with text. ``names``: words of items' titles. Sentiment
    is learned from both, so that neither is scored by words of the other. ``difference``: theirs
    less ours, with its 95 % bootstrap interval over reviews.
    """
    if not ours or not theirs:
        return []
    reviews = _together(ours, theirs)
    kept_R = (copies(reviews.tokens) < 0) & ~np.array(
        [is_advertising(*each) for each in zip(reviews.texts, reviews.tokens, strict=True)]
    )
    said = sentences_of(reviews, kept_R)
    model, _ = learn_sentiment(reviews, kept_R)
    rated_R = np.nan_to_num(reviews.liked_R, nan=0.5)
    liked_S = (
        model.of([each.tokens for each in said])
        if model
        else rated_R[[each.review for each in said]]
    )
    values: defaultdict[tuple[str, str], tuple[defaultdict[int, list[float]], ...]] = defaultdict(
        lambda: (defaultdict(list), defaultdict(list))
    )
    for each in mentions(reviews, said, names):
        row = said[each.place].review
        is_theirs = row >= len(ours)
        values[each.language, each.term][is_theirs][row].append(float(liked_S[each.place]))
    rows = []
    for (language, aspect), sides in sorted(values.items()):
        our, their = ([float(np.mean(found)) for found in side.values()] for side in sides)
        if min(len(our), len(their)) >= LEAST_REVIEWS:
            rows.append(
                {
                    "competitor": competitor,
                    "language": language,
                    "aspect": aspect,
                    "our_reviews": len(our),
                    "their_reviews": len(their),
                    "ours": float(np.mean(our)),
                    "theirs": float(np.mean(their)),
                    **_difference(np.array(our), np.array(their)),
                }
            )
    return sorted(rows, key=lambda row: (-abs(row["difference"]), row["aspect"]))


def _together(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> Reviews:
    """Our reviews, then theirs; each with its own scale of ratings."""
    our, their = (as_reviews(rows, {}) for rows in (ours, theirs))
    joined = as_reviews([*ours, *theirs], {})
    return replace(joined, liked_R=np.concatenate([our.liked_R, their.liked_R]))


def _difference(our_N: Floats, their_N: Floats) -> dict[str, float]:
    random = np.random.default_rng(0)
    drawn = [
        random.choice(their_N, len(their_N)).mean() - random.choice(our_N, len(our_N)).mean()
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "difference": float(their_N.mean() - our_N.mean()),
        "low": float(low),
        "high": float(high),
    }
