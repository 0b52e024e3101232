"""Sentiment of a text, learned from the ratings that reviews come with.

TF-IDF of words and pairs of words, and a logistic regression. Users are split, so that nobody's way
of writing is learned and tested.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from penchant.artifacts.record import Interval
from penchant.artifacts.voice import Accuracy, SentimentQuality
from penchant.insights.intervals import RESAMPLES, mean_interval
from penchant.insights.voice.reviews import Reviews

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MOST_TERMS = 50_000
REGULARIZATION = (1.0, 4.0, 16.0)  # inverse strengths that are selected from
LEAST_REVIEWS = 10  # of either class, in each part of the users
TEST_SHARE = VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Sentiment:
    """Probability that a text is of the upper ratings."""

    vectorizer: TfidfVectorizer
    model: LogisticRegression

    def of(self, tokens: Sequence[Sequence[str]]) -> Floats:
        if not tokens:
            return np.zeros(0)
        return self.model.predict_proba(self.vectorizer.transform(tokens))[:, 1]


def split_users(user_ids: Sequence[str]) -> tuple[Bools, Bools, Bools]:
    """Rows of the training, validation and test users, by a hash of their id."""
    place_R = np.array([zlib.crc32(user.encode()) % 1000 / 1000 for user in user_ids], np.float64)
    test_R = place_R < TEST_SHARE
    validation_R = ~test_R & (place_R < TEST_SHARE + VALIDATION_SHARE)
    return ~test_R & ~validation_R, validation_R, test_R


def learn_sentiment(
    reviews: Reviews, kept_R: Bools
) -> tuple[Sentiment | None, SentimentQuality | None]:
    """The model of all kept reviews, and its quality on test users when learned without them.

    None for both where a part of the users has less than ten reviews of either class.
    """
    rated_R = kept_R & ~np.isnan(reviews.liked_R)
    parts = [rated_R & part_R for part_R in split_users(reviews.user_ids)]
    counts = [np.bincount(reviews.liked_R[part_R].astype(int), minlength=2) for part_R in parts]
    if min(map(min, counts)) < LEAST_REVIEWS:
        return None, None
    train_R, validation_R, test_R = parts
    strength = max(
        REGULARIZATION,
        key=lambda strength: _auc(
            reviews.liked_R[validation_R],
            _fit(reviews, train_R, strength).of(_tokens(reviews, validation_R)),
        ),
    )
    tested = _fit(reviews, train_R | validation_R, strength).of(_tokens(reviews, test_R))
    quality = _quality(reviews, train_R, test_R, tested)
    return _fit(reviews, rated_R, strength), quality


def _fit(reviews: Reviews, rows_R: Bools, strength: float) -> Sentiment:
    vectorizer = TfidfVectorizer(
        analyzer=_terms, min_df=2, sublinear_tf=True, max_features=MOST_TERMS
    )
    features = vectorizer.fit_transform(_tokens(reviews, rows_R))
    model = LogisticRegression(C=strength, max_iter=1000, solver="liblinear")
    return Sentiment(vectorizer, model.fit(features, reviews.liked_R[rows_R]))


def _terms(tokens: Sequence[str]) -> list[str]:
    return [*tokens, *(f"{first} {second}" for first, second in pairwise(tokens))]


def _tokens(reviews: Reviews, rows_R: Bools) -> list[tuple[str, ...]]:
    return [reviews.tokens[row] for row in np.flatnonzero(rows_R).tolist()]


def _quality(
    reviews: Reviews, train_R: Bools, test_R: Bools, probability_T: Floats
) -> SentimentQuality:
    liked_T = reviews.liked_R[test_R]
    right_T = ((probability_T >= 0.5) == (liked_T == 1)).astype(np.float64)
    language_R = np.array(reviews.languages, object)
    majority_T = np.zeros(len(liked_T))
    for language in sorted(set(language_R[test_R])):
        of_language_R = train_R & (language_R == language)
        known_R = of_language_R if of_language_R.any() else train_R
        mostly_liked = float(reviews.liked_R[known_R].mean()) >= 0.5
        own_T = language_R[test_R] == language
        majority_T[own_T] = liked_T[own_T] == mostly_liked
    users = len({user for user, is_test in zip(reviews.user_ids, test_R, strict=True) if is_test})
    return SentimentQuality(
        **_accuracy(right_T, majority_T).model_dump(),
        users=users,
        auc=_auc_interval(liked_T, probability_T),
        by_language={
            language: _accuracy(right_T[own_T], majority_T[own_T])
            for language in sorted(set(language_R[test_R]))
            for own_T in [language_R[test_R] == language]
        },
    )


def _accuracy(right_T: Floats, majority_T: Floats) -> Accuracy:
    return Accuracy(
        reviews=len(right_T),
        accuracy=mean_interval(right_T),
        majority=mean_interval(majority_T),
        gain=mean_interval(right_T - majority_T),
    )


def _auc(liked_N: Floats, probability_N: Floats) -> float:
    return float(roc_auc_score(liked_N, probability_N))


def _auc_interval(liked_N: Floats, probability_N: Floats) -> Interval:
    random = np.random.default_rng(0)
    drawn = (random.integers(0, len(liked_N), len(liked_N)) for _ in range(RESAMPLES))
    aucs = [_auc(liked_N[rows], probability_N[rows]) for rows in drawn if np.ptp(liked_N[rows])]
    low, high = np.quantile(aucs, [0.025, 0.975])
    return {"mean": _auc(liked_N, probability_N), "low": float(low), "high": float(high)}
