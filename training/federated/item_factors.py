"""Matrix factorization whose item factors are shared (Ammad-ud-din et al. 2019, "Federated
Collaborative Filtering"): a node solves for its users, then for the items that they bought."""

import numpy as np
import numpy.typing as npt
import torch

from training.data.histories import Histories
from training.families.matrix_factorization import Config, Model, ratings_of
from training.fitting.family import Ranker
from training.layers.factors import als

PURCHASES = {"purchase": 1.0}
UNKNOWN = 1e-3  # weight of an item without a buyer
KNOWN_BUYERS = 10.0  # of an item that has half of the largest weight


class ItemFactors:
    """Arrays: factors_ID of the items, each times its weight, and weights_I1.

    A round is one sweep of alternating least squares. A node weighs an item by what it knows of it,
    so that a mean over nodes isn't drawn to those that never sold it; since both arrays are sums
    over nodes, secure aggregation hides each node's assortment.
    """

    def __init__(self) -> None:
        self.config = Config()

    def initial(self, item_count: int, seed: int) -> list[npt.NDArray[np.float32]]:
        dimensions = self.config.dimensions
        generator = torch.Generator().manual_seed(seed)
        factors_ID = torch.randn(item_count, dimensions, generator=generator) / dimensions**0.5
        return _weighted(factors_ID.numpy(), np.full((item_count, 1), UNKNOWN, np.float32))

    def trained(
        self, arrays: list[npt.NDArray[np.float32]], histories: Histories, seed: int
    ) -> list[npt.NDArray[np.float32]]:
        config, factors_ID = self.config, _factors(arrays)
        ratings = ratings_of(histories, config.half_life_days)
        by_item = ratings.T.tocsr()
        items = als.Fixed(torch.from_numpy(factors_ID), config.regularization)
        users = als.Fixed(items.solve(ratings, config.alpha), config.regularization)
        solved_ID = users.solve(by_item, config.alpha).numpy()
        buyers_I1 = by_item.getnnz(axis=1)[:, None].astype(np.float32)
        known_I1 = buyers_I1 / (buyers_I1 + np.float32(KNOWN_BUYERS))
        return _weighted(np.where(known_I1 > 0, solved_ID, factors_ID), known_I1 + UNKNOWN)

    def weight(self, histories: Histories) -> int:
        return len(histories)

    def family(self, arrays: list[npt.NDArray[np.float32]], histories: Histories) -> Ranker:
        model = Model(self.config)
        model.strengths = dict(PURCHASES)
        model.items = als.Fixed(torch.from_numpy(_factors(arrays)), self.config.regularization)
        model.observe(histories)
        return model


def _weighted(
    factors_ID: npt.NDArray[np.float32], weights_I1: npt.NDArray[np.float32]
) -> list[npt.NDArray[np.float32]]:
    return [factors_ID * weights_I1, weights_I1]


def _factors(arrays: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    weighted_ID, weights_I1 = arrays
    return (weighted_ID / np.maximum(weights_I1, UNKNOWN)).astype(np.float32)
