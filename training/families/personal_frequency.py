"""Personal frequency: on how many days a user bought an item, recent days counting more.

Score = sum over the distinct days with the item of 2^(-age / half-life). The half-life is tuned on
the validation window. Where people buy again this line is hard to beat (Li et al. 2023, "A Next
Basket Recommendation Reality Check"), so costlier families must beat it before they go live.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch

from penchant.artifacts import Mechanism
from training.data.histories import DAY, Histories, IntArray
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State
from training.layers.popularity import SUMS, popularity
from training.privacy.accounting import Guarantee, calibrated
from training.privacy.noise import Noise
from training.privacy.statistics import noisy_popularity

POPULARITY_DAYS = 90.0
POPULARITY_SHARE = 1e-4  # orders the items that a user never had


@dataclass(frozen=True)
class Config:
    """``half_lives_days``: tried on the validation window; under ``privacy``,
    ``private_half_life_days``, which is tuned on nothing."""

    half_lives_days: tuple[float, ...] = (60.0, 90.0, 120.0, 180.0)
    private_half_life_days: float = 90.0
    privacy: Guarantee | None = None


class Model(Ranker):
    """State: the popularity of items and the tuned half-life."""

    config: Config
    rounding = SUMS

    def mechanisms(self) -> tuple[Mechanism, ...]:
        return calibrated((Mechanism(noise_multiplier=1),), self.config.privacy)

    def fit(self, split: Split, context: TrainingContext) -> None:
        if self.config.privacy:
            (mechanism,) = self.mechanisms()
            self.tuned = {"half_life_days": self.config.private_half_life_days}
            self.popularity_I = torch.from_numpy(
                noisy_popularity(split.train, POPULARITY_DAYS, mechanism, Noise())
            )
            return
        self.observe(split.train)
        found = {}
        for step, half_life in enumerate(self.config.half_lives_days):
            self.tuned = {"half_life_days": half_life}
            found[half_life] = context.validate(self.scores)
            context.curve("validation_ndcg@10", step, found[half_life])
        self.tuned = {"half_life_days": max(found, key=found.__getitem__)}

    def observe(self, histories: Histories) -> None:
        if self.config.privacy:
            return
        self.popularity_I = torch.from_numpy(popularity(histories, POPULARITY_DAYS))

    def unlearn(
        self, split: Split, histories: Histories, gone_B: IntArray, context: TrainingContext
    ) -> None:
        self.popularity_I = torch.from_numpy(popularity(histories, POPULARITY_DAYS, gone_B))

    def scores(self, batch: Histories) -> torch.Tensor:
        own = daily_frequency(batch, self.tuned["half_life_days"])
        return torch.from_numpy(own.toarray()) + POPULARITY_SHARE * self.popularity_I

    def prior(self) -> torch.Tensor:
        return self.popularity_I

    def state(self) -> State:
        half_life = torch.tensor(self.tuned["half_life_days"], dtype=torch.float64)
        return {"popularity_I": self.popularity_I, "half_life_days": half_life}

    def load_state(self, state: State) -> None:
        self.popularity_I = state["popularity_I"]
        self.tuned = {"half_life_days": float(state["half_life_days"])}


def daily_frequency(histories: Histories, half_life_days: float) -> sp.csr_matrix:
    """Decayed number of distinct days of each user with each item: float32, U x I."""
    day_N = histories.times_N // DAY
    order_N = np.lexsort((day_N, histories.items_N, histories.rows_N))
    rows_N, items_N, days_N = (
        values[order_N] for values in (histories.rows_N, histories.items_N, day_N)
    )
    first_N = np.ones(len(order_N), bool)  # of its user, item and day
    first_N[1:] = (np.diff(rows_N) != 0) | (np.diff(items_N) != 0) | (np.diff(days_N) != 0)
    weights_N = np.zeros(len(order_N), np.float32)
    weights_N[order_N] = first_N * 0.5 ** (histories.ages_N[order_N] / half_life_days)
    return histories.matrix(weights_N)
