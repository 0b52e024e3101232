"""Content-based ranking: items whose text is similar to that of the items a user bought.

An item's words are weighted by TF-IDF (Salton & Buckley 1988) and reduced by a truncated SVD, as in
latent semantic analysis (Deerwester et al. 1990), or read by a BERT-type sentence encoder (Reimers
& Gurevych 2019). A user profile is the mean of the vectors of bought items, weighted by
recency (Pazzani & Billsus 2007). The logarithm of an item's popularity is one more dimension, which
ranks the many items with the same text.

In the main job text vectors are decorrelated and profiles have a fixed length (user_profile.py): an
NDCG@10 of .146 on Complete Journey, where popularity has .119 (200 users of validation, the 8,000
items bought most).

Vectors that the shop brought, as of images, stand beside the text (layers/modalities.py).

Only text and vectors are used, so items without events are ranked as well.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
import torch

from training.data.histories import Histories
from training.data.item_vectors import vectors_of
from training.data.split import Split
from training.data.tags import words_of
from training.fitting import exported_encoder as encoder
from training.fitting.context import TrainingContext
from training.fitting.family import State, VectorFamily
from training.layers.modalities import joined
from training.layers.popularity import popularity
from training.layers.text import TextEncoder, encode_texts
from training.layers.user_profile import decorrelated, fixed_length_profile, log_share


@dataclass(frozen=True)
class Config:
    """``encoder``: minilm and folder need the extra ``text``. ``encoder_sha256``: of that folder,
    so that another encoder is another run. ``dimensions`` are kept of the TF-IDF.

    ``vector_dimensions`` are kept of each kind of vector that the shop brought; 0 uses none.

    ``half_life_days`` of a user's events; ``popularity_days``, half-life of an item's;
    ``popularity_weight`` of the logarithm of its share: one beside the plain mean, or several to
    tune on validation beside decorrelated text and profiles of fixed length (user_profile.py).
    """

    encoder: TextEncoder = "tfidf"
    encoder_sha256: str | None = None
    dimensions: int = 256
    vector_dimensions: int = 64
    half_life_days: float = 120.0
    popularity_days: float = 90.0
    popularity_weight: float | tuple[float, ...] = (2.0, 3.0, 0.5)


class Model(VectorFamily):
    """State: ``words_TD``, the vector of each different text, the first of them 0: no text;
    ``text_I``, which of them an item has; ``popularity_I`` as last observed. An item with a vector
    of its own has a row of its own.

    Many items share a text, so scores are computed by text: in Complete Journey there are a
    quarter as many texts as items.
    """

    config: Config

    def fit(self, split: Split, context: TrainingContext) -> None:
        self.observe(split.train)
        self.words_TD, self.text_I = encode_texts(
            context.items, self.config.encoder, self.config.dimensions, context
        )
        vectors = vectors_of(context.items) if self.config.vector_dimensions else {}
        if vectors:
            self.words_TD, self.text_I = joined(
                self.words_TD, self.text_I, vectors, self.config.vector_dimensions
            )
        if isinstance(self.config.popularity_weight, tuple):
            self._tune(self.config.popularity_weight, context)
        else:
            context.curve("validation_ndcg@10", 0, context.validate(self.scores))

    def _tune(self, weights: tuple[float, ...], context: TrainingContext) -> None:
        """Decorrelate the text vectors and divide them by the popularity weight that validates
        best: the same ranking as multiplying popularity by it."""
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
        scores_BT = self._profile(batch) @ self.words_TD.T
        return scores_BT.index_select(1, self.text_I).add_(self._share_I())

    def user_vectors(self, batch: Histories) -> torch.Tensor:
        return torch.cat([self._profile(batch), torch.ones(len(batch), 1)], dim=1)

    def item_vectors(self) -> torch.Tensor:
        return torch.cat([self.words_TD[self.text_I], self._share_I()[:, None]], dim=1)

    def learned_items(self) -> torch.Tensor:
        return self.words_TD.any(dim=1)[self.text_I]

    def exported(self) -> encoder.Encoder:
        form = "even" if isinstance(self.config.popularity_weight, tuple) else "mean"
        half_life_days = self.config.half_life_days
        return encoder.weighted_mean(self.words_TD, form, half_life_days, row_I=self.text_I)

    def tag_words(self, items: pa.Table, hidden: bool) -> sp.csr_matrix:
        return words_of(items, hidden)

    def state(self) -> State:
        words = {"words_TD": self.words_TD, "text_I": self.text_I}
        return words | {"popularity_I": self.popularity_I}

    def load_state(self, state: State) -> None:
        self.words_TD, self.text_I = state["words_TD"], state["text_I"]
        self.popularity_I = state["popularity_I"]

    def _profile(self, batch: Histories) -> torch.Tensor:
        half_life_days = self.config.half_life_days
        read = replace(
            batch,
            items_N=self.text_I.numpy()[batch.items_N].astype(np.int32),
            item_count=len(self.words_TD),
        )
        if isinstance(self.config.popularity_weight, tuple):
            return fixed_length_profile(read, half_life_days, self.words_TD)
        decayed = read.matrix(read.weights_N * 0.5 ** (read.ages_N / half_life_days))
        total_B = np.maximum(np.asarray(decayed.sum(axis=1)).ravel(), np.finfo(np.float32).tiny)
        return torch.from_numpy((decayed @ self.words_TD.numpy()) / total_B[:, None])

    def _share_I(self) -> torch.Tensor:
        weight = self.config.popularity_weight
        return (1.0 if isinstance(weight, tuple) else weight) * log_share(self.popularity_I)[:, 0]
