"""Tag proposals for items, by k nearest neighbours (Cover & Hart 1967).

A tag is a category of one level of the tree. Each of an item's nearest neighbours adds its
similarity to the score of its own tag: once in the space of words (TF-IDF) and once in the space of
users, where users with few items weigh more (inverse document frequency, as for words). A weight
that is selected on other items joins the two.
"""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
import torch
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from penchant.errors import DataError
from penchant.words import words
from training.data.catalogue import LEVELS
from training.data.histories import Histories, IntArray

FloatArray = npt.NDArray[np.float32]

WORDS = ("title", "description")
NEIGHBOURS = 30
BATCH = 100
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the scores by words; the rest is by users


@dataclass(frozen=True)
class Tags:
    """One level's tags: ``names_C``; ``tag_I``, which of them an item has, -1 for none."""

    level: str
    names_C: tuple[str, ...]
    tag_I: IntArray

    @classmethod
    def of(cls, items: pa.Table, level: str) -> "Tags":
        """Raises DataError when no item has a tag of this level."""
        column = items[level].to_pylist() if level in items.column_names else []
        names = sorted({name for name in column if name})
        if not names:
            raise DataError(
                f"no item has a {level}: there is nothing to propose",
                "land a catalogue with categories",
            )
        rows = {name: row for row, name in enumerate(names)}
        return cls(level, tuple(names), np.array([rows.get(name, -1) for name in column]))


@dataclass(frozen=True)
class TagScores:
    """scores_NC of N items by words and by users. A row sums to 1, or is 0 for an item without
    neighbours."""

    words_NC: FloatArray
    users_NC: FloatArray

    def joined(self, words_weight: float) -> FloatArray:
        """scores_NC by both; by one alone where the other is 0."""
        both_NC = words_weight * self.words_NC + (1 - words_weight) * self.users_NC
        missing_N1 = ~both_NC.any(axis=1, keepdims=True)
        return both_NC + missing_N1 * (self.words_NC + self.users_NC)


def score_tags(space_ID: sp.csr_matrix, tags: Tags, rows_N: IntArray) -> FloatArray:
    """scores_NC of the items ``rows_N`` by all other items that have a tag, in the space of words
    or in that of users."""
    neighbour_I = tags.tag_I >= 0
    neighbour_I[rows_N] = False
    rows_V = np.flatnonzero(neighbour_I)
    tags_VC = sp.csr_matrix(
        (np.ones(len(rows_V), np.float32), (np.arange(len(rows_V)), tags.tag_I[rows_V])),
        shape=(len(rows_V), len(tags.names_C)),
    )
    return _scores(space_ID[rows_N], space_ID[rows_V], tags_VC)


def words_of(items: pa.Table, hidden: bool = False) -> sp.csr_matrix:
    """words_IW, rows of length 1 or 0; from title and description, never from the categories.

    ``hidden``: without the names of the item's own categories.
    """
    texts = [" ".join(parts) for parts in zip(*_columns(items, WORDS), strict=True)]
    if hidden:
        own = zip(*_columns(items, LEVELS), strict=True)
        texts = [_without(text, names) for text, names in zip(texts, own, strict=True)]
    if not any(words(text) for text in texts):
        return sp.csr_matrix((len(items), 0), dtype=np.float32)
    different, text_I = np.unique(texts, return_inverse=True)  # many items share a text
    counts = CountVectorizer(analyzer=words, dtype=np.float32).fit_transform(different)
    return TfidfTransformer(sublinear_tf=True).fit_transform(counts[text_I])


def users_of(histories: Histories) -> sp.csr_matrix:
    """users_IU, rows of length 1 or 0."""
    bought_UI = histories.matrix(histories.weights_N)
    np.log1p(bought_UI.data, out=bought_UI.data)
    return TfidfTransformer().fit_transform(bought_UI.T.tocsr()).astype(np.float32)


def _scores(
    items_ND: sp.csr_matrix, neighbours_VD: sp.csr_matrix, tags_VC: sp.csr_matrix
) -> FloatArray:
    scores_NC = np.zeros((items_ND.shape[0], tags_VC.shape[1]), np.float32)
    if not (items_ND.shape[1] and neighbours_VD.shape[0]):
        return scores_NC
    most = min(NEIGHBOURS, neighbours_VD.shape[0])
    for first in range(0, len(scores_NC), BATCH):
        items_DB = items_ND[first : first + BATCH].T.toarray()
        similarity_BV = np.ascontiguousarray((neighbours_VD @ items_DB).T)
        # NumPy's partition is ten times slower on rows that are mostly 0
        nearest = torch.from_numpy(similarity_BV).topk(most, sorted=False)
        similarity_BK, near_BK = nearest.values.numpy(), nearest.indices.numpy()
        rows_B = np.repeat(np.arange(len(similarity_BV)), most)
        weight_BV = sp.csr_matrix(
            (similarity_BK.ravel(), (rows_B, near_BK.ravel())), similarity_BV.shape
        )
        scores_NC[first : first + BATCH] = (weight_BV @ tags_VC).toarray()
    total_N1 = scores_NC.sum(axis=1, keepdims=True)
    scores_NC /= np.where(total_N1 > 0, total_N1, 1)
    return scores_NC


def _columns(items: pa.Table, names: tuple[str, ...]) -> list[list[str]]:
    empty = [""] * len(items)
    return [
        [value or "" for value in items[name].to_pylist()] if name in items.column_names else empty
        for name in names
    ]


def _without(text: str, names: tuple[str, ...]) -> str:
    return _any_of(names).sub(" ", text)


@cache
def _any_of(names: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the names as whole words, the longest first; without a name, nothing."""
    named = sorted(filter(None, names), key=len, reverse=True)
    pattern = "|".join(rf"\b{re.escape(name)}\b" for name in named) or r"(?!)"
    return re.compile(pattern, re.IGNORECASE)
