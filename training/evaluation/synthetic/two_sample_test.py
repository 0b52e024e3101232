"""Synthetic against real histories: a classifier two-sample test, and diversity.

The test is that of Lopez-Paz & Oquab 2017: a classifier learns from one half of both samples and is
evaluated on the other. An AUC of 0.5 means that they can't be distinguished.
"""

from dataclasses import asdict

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from training.data.histories import DAY, Histories, IntArray
from training.evaluation.metrics.auc import auc
from training.evaluation.metrics.intervals import RESAMPLES, FloatArray, Interval, interval_of
from training.layers.generation.temporal_profile import visits

DIRECTIONS = 32  # of a truncated SVD
TREES = 80


def discriminability(
    real: Histories, made: Histories, category_I: IntArray, seed: int
) -> dict[str, dict[str, float]]:
    """Two-sample AUC by features of the items (``items``), and also of the times (``all``). Empty
    with fewer than eight histories of a kind."""
    if min(len(real), len(made)) < 8:
        return {}
    loadings_ID = directions(real)
    item_features, time_features = (
        np.concatenate([of(real), of(made)])
        for of in (lambda one: contents(one, loadings_ID, category_I), times)
    )
    made_U = np.arange(len(item_features)) >= len(real)
    train_U = np.random.default_rng(seed).permutation(len(item_features)) % 2 == 0
    return {
        name: asdict(_classifier_auc(features_UF, made_U, train_U, seed))
        for name, features_UF in (
            ("items", item_features),
            ("all", np.concatenate([item_features, time_features], axis=1)),
        )
    }


def two_sample_auc(positive_M: FloatArray, negative_N: FloatArray, seed: int) -> Interval:
    """AUC of two samples of scores, with an interval over resamples of both."""
    random = np.random.default_rng(seed)
    weights = [
        np.vstack([np.ones(size), random.multinomial(size, np.full(size, 1 / size), RESAMPLES)])
        for size in (len(positive_M), len(negative_N))
    ]
    label_N = np.repeat([1.0, 0.0], [len(positive_M), len(negative_N)])
    score_N = np.concatenate([positive_M, negative_N])
    return interval_of(auc(label_N, score_N)(np.hstack(weights))[:, 0])


def directions(real: Histories) -> sp.csr_matrix:
    """loadings_ID: right singular vectors of the log counts; D = 0 for too few histories."""
    counts = real.matrix(np.ones(len(real.items_N))).log1p()
    rank = min(DIRECTIONS, min(counts.shape) - 1)
    if rank < 1:
        return np.zeros((real.item_count, 0))
    return svds(counts, rank, v0=np.ones(min(counts.shape)))[2].T


def contents(histories: Histories, loadings_ID: FloatArray, category_I: IntArray) -> FloatArray:
    """features_UF of the items: diversity, popularity, repetition, SVD projection, categories."""
    counts = histories.matrix(np.ones(len(histories.items_N)))
    length_U = np.maximum(1, histories.lengths_U)
    share_I = np.log(np.maximum(1, histories.counts_I()) / max(1, len(histories.items_N)))
    rows = counts.log1p()
    norm_U = np.maximum(1e-9, np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel()))
    distinct_U, most_U = counts.getnnz(axis=1), counts.max(axis=1).toarray().ravel()
    repeats_U = np.asarray(counts.multiply(rows).sum(axis=1)).ravel() / length_U
    popularity_U = (counts @ share_I) / length_U
    columns = [
        distinct_U / length_U,
        most_U / length_U,
        repeats_U,
        popularity_U,
        repeated(histories),
    ]
    projection_UD = (rows @ loadings_ID) / norm_U[:, None]
    return np.column_stack([*columns, projection_UD, category_shares(histories, category_I)])


def times(histories: Histories) -> FloatArray:
    """features_UF of the visits: number, recency, and mean and deviation of size, gap and hour."""
    visit_N = visits(histories)
    first_V = np.flatnonzero(np.diff(visit_N, prepend=-1))
    user_V, size_V = histories.rows_N[first_V], np.bincount(visit_N).astype(float)
    gap_V = np.diff(histories.times_N[first_V], prepend=0) / DAY
    gap_V[np.diff(user_V, prepend=-1) != 0] = 0
    users = len(histories)
    visits_U = np.maximum(1, np.bincount(user_V, minlength=users))

    def of(value_V: FloatArray) -> list[FloatArray]:
        mean_U = np.bincount(user_V, value_V, users) / visits_U
        square_U = np.bincount(user_V, value_V**2, users) / visits_U
        return [mean_U, np.sqrt(np.maximum(0, square_U - mean_U**2))]

    last_U = np.full(users, histories.times_N.min(initial=histories.end))
    np.maximum.at(last_U, user_V, histories.times_N[first_V])
    since_U = (histories.end - last_U) / DAY
    hour_V = histories.times_N[first_V] % DAY / 3600
    return np.column_stack([visits_U, since_U, *of(size_V), *of(gap_V), *of(hour_V)])


def repeated(histories: Histories) -> FloatArray:
    """share_U of the items of each visit after the first that are also in the visit before."""
    visit_N, row_N, items = visits(histories), histories.rows_N, histories.item_count
    cell_N, before_N = visit_N * items + histories.items_N, (visit_N - 1) * items
    first_V = np.flatnonzero(np.diff(visit_N, prepend=-1))
    follows_N = (np.diff(row_N[first_V], prepend=-1) == 0)[visit_N]
    same_N = np.isin(before_N + histories.items_N, cell_N) & follows_N
    following_U = np.bincount(row_N[follows_N], minlength=len(histories))
    return np.bincount(row_N, same_N, len(histories)) / np.maximum(1, following_U)


def category_shares(histories: Histories, category_I: IntArray) -> FloatArray:
    """share_UC of the first-level categories in each history."""
    shape = (len(histories), int(category_I.max(initial=0)) + 1)
    cell_N = histories.rows_N * shape[1] + category_I[histories.items_N]
    counts_UC = np.bincount(cell_N, minlength=shape[0] * shape[1]).reshape(shape)
    return counts_UC / np.maximum(1, histories.lengths_U)[:, None]


def diversity(histories: Histories, category_I: IntArray) -> dict[str, float]:
    """Figures that show mode collapse. ``distinct_2`` and ``distinct_3``: share of distinct runs of
    two and three items; ``items``: distinct items; entropies in nats; ``again``: see ``repeated``;
    ``bought_before``: share of events that repeat an item of the history; ``nearest_other``: mean
    cosine to the most similar other history.
    """
    counts_I = histories.counts_I()
    counts_C = np.bincount(category_I[histories.items_N])
    similarity_UU = cosine(histories, histories)
    np.fill_diagonal(similarity_UU, -1)
    return {
        "distinct_2": _distinct(histories, 2),
        "distinct_3": _distinct(histories, 3),
        "items": float(np.count_nonzero(counts_I)),
        "item_entropy": _entropy(counts_I),
        "category_entropy": _entropy(counts_C),
        "again": float(repeated(histories).mean()),
        "bought_before": bought_before(histories),
        "nearest_other": float(similarity_UU.max(axis=1).mean()) if len(histories) > 1 else 0.0,
    }


def bought_before(histories: Histories) -> float:
    """Share of events that repeat an item of their history."""
    pairs = np.unique(histories.rows_N * histories.item_count + histories.items_N)
    return 1 - len(pairs) / max(1, len(histories.items_N))


def cosine(one: Histories, other: Histories) -> FloatArray:
    """cosine_MN of the log item counts of each pair of histories."""
    rows, columns = (_unit(histories) for histories in (one, other))
    return (rows @ columns.T).toarray()


def _unit(histories: Histories) -> sp.csr_matrix:
    counts = histories.matrix(np.ones(len(histories.items_N))).log1p().astype(np.float64)
    norm_U = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    return sp.diags(1 / np.maximum(norm_U, 1e-9)) @ counts


def _classifier_auc(
    features_UF: FloatArray, made_U: np.ndarray, train_U: np.ndarray, seed: int
) -> Interval:
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(
        max_iter=TREES, min_samples_leaf=5, early_stopping=False, random_state=seed
    )
    trees.fit(features_UF[train_U], made_U[train_U])
    score_U = trees.predict_proba(features_UF[~train_U])[:, 1]
    label_U = made_U[~train_U]
    return two_sample_auc(score_U[label_U], score_U[~label_U], seed)


def _distinct(histories: Histories, length: int) -> float:
    items_N, row_N = histories.items_N.astype(np.int64), histories.rows_N
    count = max(0, len(items_N) - length + 1)
    whole_N = row_N[:count] == row_N[length - 1 :][:count]
    runs = np.stack([items_N[place : place + count] for place in range(length)], axis=1)[whole_N]
    return len(np.unique(runs, axis=0)) / max(1, len(runs))


def _entropy(counts: IntArray) -> float:
    share = counts[counts > 0] / max(1, counts.sum())
    return float(-(share * np.log(share)).sum())
