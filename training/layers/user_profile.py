"""Families whose user vector is the weighted mean of item vectors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from training.data.histories import Histories
from training.data.split import Split
from training.fitting import exported_encoder as encoder
from training.fitting.context import TrainingContext
from training.fitting.family import State, VectorFamily
from training.layers.popularity import popularity

POPULARITY_DAYS = 90.0

RARE = 1e-7  # share added to all, for a finite logarithm


class UserProfileFamily(VectorFamily):
    """State: item vectors, and popularity as last observed. A user's vector is the user profile,
    then 1; an item's is its vector, then the weighted logarithm of its popularity share.

    The config has ``decorrelation``, ``half_life_days``, ``epochs`` and ``popularity_weight``,
    which is tuned on validation where it is a tuple.
    """

    def __init__(
        self, config: Any, learn: Callable[[Histories, TrainingContext], torch.Tensor]
    ) -> None:
        """``learn`` returns vectors_ID on the CPU, 0 for items that were not learned."""
        super().__init__(config)
        self.learn = learn

    def fit(self, split: Split, context: TrainingContext) -> None:
        config = self.config
        self.observe(split.train)
        learned_ID = self.learn(split.train, context)
        self.vectors_ID = decorrelated(learned_ID, self.popularity_I, config.decorrelation)
        if isinstance(config.popularity_weight, tuple):
            self._tune(config.popularity_weight, context)
        else:
            context.curve("validation_ndcg@10", config.epochs, context.validate(self.scores))

    def _tune(self, weights: tuple[float, ...], context: TrainingContext) -> None:
        """Divide the vectors by the popularity weight that validates best: the same ranking as
        multiplying popularity by it."""
        vectors_ID, found = self.vectors_ID, {}
        for step, weight in enumerate(weights):
            self.vectors_ID = vectors_ID / weight
            found[weight] = context.validate(self.scores)
            context.curve("validation_ndcg@10_by_popularity_weight", step, found[weight])
        best = max(found, key=found.__getitem__)
        self.vectors_ID, self.tuned = vectors_ID / best, {"popularity_weight": best}

    def observe(self, histories: Histories) -> None:
        self.popularity_I = torch.from_numpy(popularity(histories, POPULARITY_DAYS))

    def scores(self, batch: Histories) -> torch.Tensor:
        # one product: concatenating the share to the vectors for each batch doubled the time
        return torch.addmm(self._share_I1()[:, 0], self._profile(batch), self.vectors_ID.T)

    def user_vectors(self, batch: Histories) -> torch.Tensor:
        return torch.cat([self._profile(batch), torch.ones(len(batch), 1)], dim=1)

    def item_vectors(self) -> torch.Tensor:
        return torch.cat([self.vectors_ID, self._share_I1()], dim=1)

    def learned_items(self) -> torch.Tensor:
        return self.vectors_ID.any(dim=1)

    def exported(self) -> encoder.Encoder:
        form = "even" if isinstance(self.config.popularity_weight, tuple) else "log"
        return encoder.weighted_mean(self.vectors_ID, form, self.config.half_life_days)

    def state(self) -> State:
        return {"vectors_ID": self.vectors_ID, "popularity_I": self.popularity_I}

    def load_state(self, state: State) -> None:
        self.vectors_ID, self.popularity_I = state["vectors_ID"], state["popularity_I"]

    def _profile(self, batch: Histories) -> torch.Tensor:
        config = self.config
        profile = (
            fixed_length_profile if isinstance(config.popularity_weight, tuple) else user_profile
        )
        return profile(batch, config.half_life_days, self.vectors_ID)

    def _share_I1(self) -> torch.Tensor:
        weight = self.config.popularity_weight
        return (1.0 if isinstance(weight, tuple) else weight) * log_share(self.popularity_I)


def user_profile(batch: Histories, half_life_days: float, vectors_ID: torch.Tensor) -> torch.Tensor:
    """vectors_BD: items weigh log(1 + decayed events), as in matrix_factorization."""
    bought = batch.matrix(batch.weights_N * 0.5 ** (batch.ages_N / half_life_days))
    np.log1p(bought.data, out=bought.data)
    return torch.from_numpy(bought @ vectors_ID.numpy())


def fixed_length_profile(
    batch: Histories, half_life_days: float, vectors_ID: torch.Tensor
) -> torch.Tensor:
    """vectors_BD of the same length for all users: items weigh their decayed events.

    With this length, products with decorrelated vectors have a standard deviation of about 1 over
    items, however much was bought: a popularity weight then means the same in all data.
    """
    bought = batch.matrix(batch.weights_N * 0.5 ** (batch.ages_N / half_life_days))
    directions_BD = normalize(torch.from_numpy(bought @ vectors_ID.numpy()))
    return directions_BD * vectors_ID.shape[1] ** 0.5


def log_share(popularity_I: torch.Tensor) -> torch.Tensor:
    """The logarithm of each item's share, finite, as one column."""
    return torch.log(popularity_I + RARE)[:, None]


def decorrelated(
    vectors_ID: torch.Tensor, popularity_I: torch.Tensor, power: float, ridge: float = 0.1
) -> torch.Tensor:
    """Whiten unit vectors by their popularity-weighted second moment.

    With power 1 the second moment is the same in all directions: products then separate an item
    from similar ones, which ranks repeat purchases higher. Vectors of 0 stay 0.
    """
    unit_ID = normalize(vectors_ID.double())
    moment_DD = (unit_ID * popularity_I[:, None]).T @ unit_ID
    strength_D, directions_DD = torch.linalg.eigh(moment_DD)
    strength_D = strength_D / strength_D.mean() + ridge
    turned_ID = unit_ID @ directions_DD * strength_D ** (-power / 2)
    return turned_ID.float()
