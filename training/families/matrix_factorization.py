"""Implicit matrix factorization, by alternating least squares (Hu, Koren & Volinsky 2008) or by
Bayesian personalised ranking (Rendle et al. 2009).

With r the recency-decayed weight of a user's events with an item, the preference is log(1 + r) with
confidence 1 + alpha · r, and 0 with confidence 1 where there was no event. The paper's preference
is 1 whatever r; with the repeat purchases of a grocery, grading it was worth 0.16
to 0.23 in NDCG@10 (Complete Journey, validation). Users are folded in from their histories with the
item factors fixed, so a new user or a new purchase needs no training. The history may decay
faster at fold-in than in training: on Amazon Beauty, with half-lives of 8 events to learn and 2 to
fold in, the NDCG@10 on validation was .055; with 8 for both .052, and without any decay .043.

Events of other types than the one to predict add to r with strengths tuned on validation.

BPR encodes popularity in the length of an item's factors and has no closed form for fold-in. So its
factors are scaled to length 1, and a user's are the sum of those of the history, weighted by
preference.

Under differential privacy the factors are the greatest eigenvectors of the noisy Gram matrix of
preferences, as in PureSVD (Cremonesi et al. 2010), shrunk by the noise; users are folded in as for
BPR.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional as F

from penchant.artifacts import Mechanism
from training.data.histories import FloatArray, Histories, IntArray
from training.data.split import Split
from training.fitting import exported_encoder as encoder
from training.fitting.context import TrainingContext
from training.fitting.family import State, VectorFamily
from training.fitting.parent import CannotStartWarm
from training.layers.event_types import (
    Strengths,
    from_tensor,
    read_events,
    recorded,
    target_type,
    to_tensor,
    tuned_strengths,
)
from training.layers.factors import als, bpr
from training.layers.popularity import popularity
from training.privacy.accounting import Guarantee, calibrated
from training.privacy.noise import Doubles, Noise
from training.privacy.statistics import (
    COUNTS_THEN_MOMENTS,
    above_noise,
    noisy_gram,
    noisy_popularity,
)

POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1e-2  # orders items for an unknown user
WARM_SWEEPS = 1  # from a parent's factors of items


@dataclass(frozen=True)
class Config:
    """``half_life_days``: the decay of an event while learning; ``fold_half_life_days``: when a
    user is folded in. ``sweeps`` over the data. Under ``privacy`` the ``private_items`` of the
    noisiest count get factors, and other event types than the one to predict aren't used.

    Items of fewer than ``min_buyers`` get no factors: too little data at the same cost.
    ``regularization`` is the ridge on every factor for "als", and the shrinking by each event for
    "bpr". ``alpha`` is of "als" alone, ``learning_rate`` and the ``negatives`` that a block of
    users shares of "bpr".
    """

    solver: Literal["als", "bpr"] = "als"
    dimensions: int = 64
    min_buyers: int = 5
    alpha: float = 0.5
    regularization: float = 10.0
    half_life_days: float = 120.0
    fold_half_life_days: float = 120.0
    sweeps: int = 3
    learning_rate: float = 0.1
    negatives: int = 16
    private_items: int = 300
    privacy: Guarantee | None = None

    @property
    def folds_by_sum(self) -> bool:
        """Whether a user's factors are a sum over the history; else a ridge regression."""
        return self.solver == "bpr" or self.privacy is not None


class Model(VectorFamily):
    """State: ``factors_ID`` of the items as learned at T1, the strengths of event types, and
    ``popularity_I`` as last observed.

    Vectors have one dimension more than the factors: it carries popularity, at a small share, so
    that an empty history ranks by popularity and the dot product is still the whole score.
    """

    config: Config

    def mechanisms(self) -> tuple[Mechanism, ...]:
        return calibrated(COUNTS_THEN_MOMENTS, self.config.privacy)

    def fit(self, split: Split, context: TrainingContext) -> None:
        if self.config.privacy:
            self._fit_privately(split.train, Noise())
            return
        self.observe(split.train)
        self.strengths = tuned_strengths(
            split.train,
            lambda users, strengths: self._fit(users, context, strengths),
            self.scores,
            context,
        )
        self.tuned = recorded(self.strengths)

    def _fit(self, train: Histories, context: TrainingContext, strengths: Strengths) -> None:
        config, self.strengths = self.config, strengths
        ratings = ratings_of(train.every_type(strengths), config.half_life_days)
        enough_I = ratings.getnnz(axis=0) >= config.min_buyers
        ratings = (ratings @ sp.diags(enough_I.astype(np.float32))).tocsr()
        ratings.eliminate_zeros()
        fit = self._fit_als if config.solver == "als" else self._fit_bpr
        fit(ratings, context)

    def _fit_als(self, ratings: sp.csr_matrix, context: TrainingContext) -> None:
        config, by_item, parent = self.config, ratings.T.tocsr(), context.parent
        generator = torch.Generator().manual_seed(context.seed)
        first_ID = self._random(ratings.shape[1], generator)
        if parent:
            first_ID = parent.of_items("factors_ID", first_ID)
        self.items = self._fixed(first_ID.to(context.device))
        sweeps = WARM_SWEEPS if parent else config.sweeps
        context.expect(sweeps)
        for sweep in range(1, sweeps + 1):
            users = self._fixed(self.items.solve(ratings, config.alpha))
            self.items = self._fixed(users.solve(by_item, config.alpha))
            context.curve("validation_ndcg@10", sweep, context.validate(self.scorer()))

    def _fit_bpr(self, ratings: sp.csr_matrix, context: TrainingContext) -> None:
        if context.parent:
            raise CannotStartWarm("of BPR the state has no factors of users to start from")
        config, random = self.config, np.random.default_rng(context.seed)
        context.expect(config.sweeps)
        preferences = ratings.log1p()
        generator = torch.Generator().manual_seed(context.seed)
        users_UD, items_ID = (
            bpr.with_bias(self._random(rows, generator)).to(context.device)
            for rows in ratings.shape
        )
        learned_I1 = torch.from_numpy(ratings.getnnz(axis=0) > 0).to(context.device)[:, None]
        for sweep in range(1, config.sweeps + 1):
            bpr.epoch(
                preferences,
                users_UD,
                items_ID,
                config.learning_rate,
                config.regularization,
                config.negatives,
                random,
            )
            self.items = self._fixed(F.normalize(items_ID[:, :-1], dim=1) * learned_I1)
            context.curve("validation_ndcg@10", sweep, context.validate(self.scorer()))

    def _fit_privately(self, train: Histories, noise: Noise) -> None:
        config, (counting, measuring) = self.config, self.mechanisms()
        self.strengths = {target_type(train): 1.0}
        popularity_I = noisy_popularity(train, POPULARITY_DAYS, counting, noise)
        items_J = np.sort(np.argsort(-popularity_I)[: config.private_items])
        preferences_UJ = ratings_of(train, config.half_life_days)[:, items_J].log1p()
        gram_JJ = noisy_gram(preferences_UJ, measuring, noise)
        self.learn_from(popularity_I, items_J, gram_JJ, measuring.noise_multiplier)

    def learn_from(
        self, popularity_I: FloatArray, items_J: IntArray, gram_JJ: Doubles, deviation: float
    ) -> None:
        """Factors of ``items_J`` from a Gram matrix with noise of this standard deviation."""
        config = self.config
        self.popularity_I = torch.from_numpy(popularity_I)
        values_J, vectors_JJ = np.linalg.eigh(above_noise(gram_JJ, deviation))
        values_D = np.maximum(values_J[-config.dimensions :], 0)
        factors_JD = vectors_JJ[:, -config.dimensions :] * np.sqrt(
            values_D / (values_D + deviation)
        )
        factors_ID = torch.zeros(len(popularity_I), factors_JD.shape[1])
        factors_ID[torch.from_numpy(items_J)] = torch.from_numpy(factors_JD).float()
        self.items = self._fixed(factors_ID)

    @property
    def factors_ID(self) -> torch.Tensor:
        return self.items.factors_JD

    def _fixed(self, factors_JD: torch.Tensor) -> als.Fixed:
        return als.Fixed(factors_JD, self.config.regularization)

    def _random(self, rows: int, generator: torch.Generator) -> torch.Tensor:
        dimensions = self.config.dimensions
        return torch.randn(rows, dimensions, generator=generator) / dimensions**0.5

    def observe(self, histories: Histories) -> None:
        if self.config.privacy:
            return
        self.popularity_I = torch.from_numpy(popularity(histories, POPULARITY_DAYS))

    def user_vectors(self, batch: Histories) -> torch.Tensor:
        config = self.config
        ratings = ratings_of(read_events(batch, self.strengths), config.fold_half_life_days)
        if config.folds_by_sum:
            factors_BD = torch.from_numpy(ratings.log1p() @ self.factors_ID.cpu().numpy())
        else:
            factors_BD = self.items.solve(ratings, config.alpha)
        share_B1 = torch.full_like(factors_BD[:, :1], POPULARITY_SHARE)
        return torch.cat([factors_BD, share_B1], dim=1)

    def item_vectors(self) -> torch.Tensor:
        return torch.cat([self.factors_ID, self.popularity_I.to(self.factors_ID)[:, None]], dim=1)

    def learned_items(self) -> torch.Tensor:
        return self.factors_ID.any(dim=1)

    def exported(self) -> encoder.Encoder:
        config, days = self.config, self.config.fold_half_life_days
        if config.folds_by_sum:
            found = encoder.weighted_mean(self.factors_ID, "log", days, POPULARITY_SHARE)
        else:
            ridge = config.alpha, config.regularization
            found = encoder.ridge(self.factors_ID, *ridge, days, POPULARITY_SHARE)
        return replace(found, strengths=self.strengths)

    def state(self) -> State:
        return {
            "factors_ID": self.factors_ID.cpu(),
            "popularity_I": self.popularity_I,
            "strengths_T": to_tensor(self.strengths),
        }

    def load_state(self, state: State) -> None:
        self.items = self._fixed(state["factors_ID"])
        self.popularity_I = state["popularity_I"]
        self.strengths = from_tensor(state["strengths_T"])


def ratings_of(histories: Histories, half_life_days: float) -> sp.csr_matrix:
    """The decayed weight of each user's events with each item, U x I."""
    return histories.matrix(histories.weights_N * 0.5 ** (histories.ages_N / half_life_days))
