"""Topics of reviews by non-negative matrix factorization, for each language with enough reviews.

Coherence is the mean normalized pointwise mutual information of a topic's words (Lau, Newman and
Baldwin, 2014), counted in reviews of users that the topics were not learned from.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, combinations
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.decomposition import NMF
from sklearn.feature_extraction.text import TfidfVectorizer

from penchant.artifacts.voice import Coherence, TopicQuality
from penchant.insights.intervals import mean_interval
from penchant.insights.voice.language import is_content
from penchant.insights.voice.reviews import Reviews
from penchant.insights.voice.sentiment import split_users

LEAST_REVIEWS = 50  # of a language
MOST_TOPICS, REVIEWS_A_TOPIC = 8, 25
TOP_WORDS = 8
MOST_WORDS = 5000
LEAST_SEEN = 5  # held-out reviews of a word that coherence counts
RANDOM_TOPICS = 100
QUOTES = 2
Floats = npt.NDArray[np.float64]


def topic_rows(reviews: Reviews, kept_R: npt.NDArray[np.bool_], seed: int) -> list[dict[str, Any]]:
    """A row per language and topic: its words, share of reviews by month, and quotes."""
    months = reviews.months()
    rows = []
    for language, places in _by_language(reviews, kept_R).items():
        words_K, weight_RK = _topics([_content(reviews, row) for row in places], seed)
        share_RK = weight_RK / np.maximum(weight_RK.sum(axis=1, keepdims=True), 1e-12)
        for topic in np.argsort(-share_RK.sum(axis=0), kind="stable").tolist():
            best = np.argsort(-weight_RK[:, topic], kind="stable")[:QUOTES]
            of_month: defaultdict[str, list[float]] = defaultdict(list)
            for at, row in enumerate(places):
                of_month[months[row]].append(float(share_RK[at, topic]))
            rows.append(
                {
                    "language": language,
                    "words": words_K[topic],
                    "share": float(share_RK[:, topic].mean()),
                    "months": [
                        {"month": month, "share": float(np.mean(shares))}
                        for month, shares in sorted(of_month.items())
                    ],
                    "quotes": [_quote(reviews, places[at]) for at in best.tolist()],
                }
            )
    return rows


def topic_quality(
    reviews: Reviews, kept_R: npt.NDArray[np.bool_], seed: int
) -> TopicQuality | None:
    """None where no language has enough reviews of training and of test users."""
    train_R, validation_R, test_R = split_users(reviews.user_ids)
    learned = _by_language(reviews, kept_R & (train_R | validation_R))
    held_out = _by_language(reviews, kept_R & test_R, least=LEAST_REVIEWS // 2)
    ours: dict[str, list[float]] = {}
    random: dict[str, list[float]] = {}
    generator = np.random.default_rng(seed)
    for language in sorted(learned.keys() & held_out.keys()):
        words_K, _ = _topics([_content(reviews, row) for row in learned[language]], seed)
        places_of: defaultdict[str, set[int]] = defaultdict(set)
        for place, row in enumerate(held_out[language]):
            for word in _content(reviews, row):
                places_of[word].add(place)
        known = sorted(word for word, places in places_of.items() if len(places) >= LEAST_SEEN)
        if len(known) < TOP_WORDS:
            continue
        total = len(held_out[language])
        if not words_K:
            continue
        ours[language] = [
            _npmi([places_of[word] for word in words if word in places_of], total)
            for words in words_K
        ]
        random[language] = [
            _npmi([places_of[word] for word in drawn], total)
            for _ in range(RANDOM_TOPICS)
            for drawn in [generator.choice(known, TOP_WORDS, replace=False).tolist()]
        ]
    if not ours:
        return None
    return TopicQuality(
        **_coherence([*chain(*ours.values())], [*chain(*random.values())]).model_dump(),
        by_language={name: _coherence(ours[name], random[name]) for name in ours},
    )


def _coherence(ours: list[float], random: list[float]) -> Coherence:
    return Coherence(
        topics=len(ours),
        npmi=mean_interval(np.array(ours)),
        random_npmi=mean_interval(np.array(random)),
    )


def _by_language(
    reviews: Reviews, kept_R: npt.NDArray[np.bool_], least: int = LEAST_REVIEWS
) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row in np.flatnonzero(kept_R).tolist():
        if _content(reviews, row):
            found[reviews.languages[row]].append(row)
    return {name: rows for name, rows in sorted(found.items()) if len(rows) >= least}


def _content(reviews: Reviews, row: int) -> list[str]:
    language = reviews.languages[row]
    return [word for word in reviews.tokens[row] if is_content(word, language)]


def _topics(texts: Sequence[list[str]], seed: int) -> tuple[list[list[str]], Floats]:
    """The best words of each topic, and weight_RK of the topics in each text."""
    vectorizer = TfidfVectorizer(
        analyzer=list, min_df=3, max_df=0.5, max_features=MOST_WORDS, sublinear_tf=True
    )
    try:
        matrix: sparse.csr_matrix = vectorizer.fit_transform(texts)
    except ValueError:  # no word is in three texts and in at most half of them
        return [], np.zeros((len(texts), 0))
    count = min(MOST_TOPICS, len(texts) // REVIEWS_A_TOPIC, *matrix.shape)
    model = NMF(count, init="nndsvda", random_state=seed, max_iter=300, tol=1e-3)
    weight_RK = model.fit_transform(matrix)
    names = vectorizer.get_feature_names_out()
    best_KW = np.argsort(-model.components_, axis=1, kind="stable")[:, :TOP_WORDS]
    return [names[best].tolist() for best in best_KW], weight_RK


def _npmi(places: Sequence[set[int]], total: int) -> float:
    """Mean over pairs of words, of which the places are given; -1 for a pair in no common text."""
    values = []
    for first, second in combinations(places, 2):
        both, apart = len(first & second) / total, len(first) * len(second) / total**2
        if not both:
            values.append(-1.0)
        else:
            values.append(1.0 if both == 1 else log(both / apart) / -log(both))
    return float(np.mean(values)) if values else 0.0


def _quote(reviews: Reviews, row: int) -> dict[str, Any]:
    return {
        "user_id": reviews.user_ids[row],
        "item_id": reviews.item_ids[row],
        "reviewed_at": reviews.reviewed_at[row],
        "text": reviews.texts[row],
        "sentiment": None,
    }
