"""Recency-decayed popularity: the baseline of all families, and the prior for unknown users.

An event of age t days counts weight · 2^(-t / half-life); the half-life is tuned on validation.
A badly tuned baseline makes any model look good (Ji et al. 2020, "A Re-visit of the
Popularity Baseline in Recommender Systems").
"""

from dataclasses import dataclass

import torch

from penchant.artifacts import Mechanism
from training.data.histories import Histories, IntArray
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State
from training.layers.popularity import SUMS, popularity
from training.privacy.accounting import Guarantee, calibrated
from training.privacy.noise import Noise
from training.privacy.statistics import noisy_popularity


@dataclass(frozen=True)
class Config:
    """``half_lives_days``: tuned on the validation window; under ``privacy``,
    ``private_half_life_days``, which is tuned on nothing."""

    half_lives_days: tuple[float, ...] = (3.0, 7.0, 28.0, 90.0, 365.0)
    private_half_life_days: float = 28.0
    privacy: Guarantee | None = None


class Model(Ranker):
    """State: ``popularity_I``, sums to 1, and ``half_life_days``."""

    config: Config
    rounding = SUMS

    def mechanisms(self) -> tuple[Mechanism, ...]:
        return calibrated((Mechanism(noise_multiplier=1),), self.config.privacy)

    def fit(self, split: Split, context: TrainingContext) -> None:
        if self.config.privacy:
            self._fit_privately(split.train)
            return
        found = {}
        for step, half_life in enumerate(self.config.half_lives_days):
            self.tuned = {"half_life_days": half_life}
            self.observe(split.train)
            found[half_life] = context.validate(self.scores)
            context.curve("validation_ndcg@10", step, found[half_life])
        self.tuned = {"half_life_days": max(found, key=found.__getitem__)}
        self.observe(split.train)

    def _fit_privately(self, train: Histories) -> None:
        (mechanism,), half_life = self.mechanisms(), self.config.private_half_life_days
        self.tuned = {"half_life_days": half_life}
        self.popularity_I = torch.from_numpy(noisy_popularity(train, half_life, mechanism, Noise()))

    def observe(self, histories: Histories) -> None:
        if self.config.privacy:
            return
        self.popularity_I = torch.from_numpy(popularity(histories, self.tuned["half_life_days"]))

    def unlearn(
        self, split: Split, histories: Histories, gone_B: IntArray, context: TrainingContext
    ) -> None:
        half_life = self.tuned["half_life_days"]
        self.popularity_I = torch.from_numpy(popularity(histories, half_life, gone_B))

    def scores(self, batch: Histories) -> torch.Tensor:
        return self.popularity_I.repeat(len(batch), 1)

    def prior(self) -> torch.Tensor:
        return self.popularity_I

    def state(self) -> State:
        half_life = torch.tensor(self.tuned["half_life_days"], dtype=torch.float64)
        return {"popularity_I": self.popularity_I, "half_life_days": half_life}

    def load_state(self, state: State) -> None:
        self.popularity_I = state["popularity_I"]
        self.tuned = {"half_life_days": float(state["half_life_days"])}
