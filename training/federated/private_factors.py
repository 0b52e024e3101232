"""Matrix factorization over nodes under differential privacy for each user of a node.

The statistics that the family learns from under differential privacy are sums over users, so they
are sums over nodes too. In the first round each node shares a noisy count of each item, in the
second a noisy Gram matrix of the items that all counts together say are popular. Each node adds
the whole noise, so its users need to trust neither the server nor other nodes; the sum has the
noise of all.
"""

import numpy as np

from penchant.artifacts import Mechanism
from training.data.histories import FloatArray, Histories, IntArray
from training.families.matrix_factorization import (
    POPULARITY_DAYS,
    Config,
    Model,
    ratings_of,
)
from training.federated.item_factors import PURCHASES
from training.fitting.family import Ranker
from training.privacy.accounting import Guarantee
from training.privacy.noise import Doubles, Noise
from training.privacy.statistics import noisy_gram, noisy_sums, shares

ROUNDS = 2
EQUAL_WEIGHT = 1000
UNIT = 1e-3  # of the shared arrays: secure aggregation cuts off what is above 8

Arrays = list[FloatArray]


class PrivateItemFactors:
    """Arrays: counts_I and gram_JJ, means over nodes, in thousands.

    An object releases each of them once: asked again, whatever the arrays, it sends the same. So a
    node spends no more than its mechanisms, whatever a server asks for. ``nodes``: of which the
    arrays that make a family are means.
    """

    def __init__(self, guarantee: Guarantee, nodes: int = 1, noise: Noise | None = None) -> None:
        self.config, self.nodes = Config(privacy=guarantee), nodes
        self.noise = Noise() if noise is None else noise
        self._counts_I: FloatArray | None = None
        self._gram_JJ: FloatArray | None = None

    def mechanisms(self) -> tuple[Mechanism, ...]:
        """What a node spends in all rounds together."""
        return Model(self.config).mechanisms()

    def initial(self, item_count: int, seed: int) -> Arrays:
        items = min(self.config.private_items, item_count)
        return [np.zeros(item_count, np.float32), np.zeros((items, items), np.float32)]

    def trained(self, arrays: Arrays, histories: Histories, seed: int) -> Arrays:
        counts_I, gram_JJ = arrays
        counting, measuring = self.mechanisms()
        if not counts_I.any():
            if self._counts_I is None:
                values_UI = ratings_of(histories, POPULARITY_DAYS)
                self._counts_I = _shared(noisy_sums(values_UI, counting, self.noise))
            return [self._counts_I, np.zeros_like(gram_JJ)]
        if self._gram_JJ is None:
            items_J = most_counted(counts_I, len(gram_JJ))
            rows_UJ = ratings_of(histories, self.config.half_life_days)[:, items_J].log1p()
            self._gram_JJ = _shared(noisy_gram(rows_UJ, measuring, self.noise))
        return [counts_I, self._gram_JJ]

    def weight(self, histories: Histories) -> int:
        """The same of every node: the number of users would disclose one of them."""
        return EQUAL_WEIGHT

    def family(self, arrays: Arrays, histories: Histories) -> Ranker:
        counts_I, gram_JJ = (array.astype(np.float64) * self.nodes / UNIT for array in arrays)
        _, measuring = self.mechanisms()
        model = Model(self.config)
        model.strengths = dict(PURCHASES)
        deviation = measuring.noise_multiplier * self.nodes**0.5
        model.learn_from(shares(counts_I), most_counted(counts_I, len(gram_JJ)), gram_JJ, deviation)
        return model


def most_counted(counts_I: FloatArray | Doubles, items: int) -> IntArray:
    """Rows of the items with the largest counts, in the order of the catalogue."""
    return np.sort(np.argsort(-counts_I, kind="stable")[:items])


def _shared(values: Doubles) -> FloatArray:
    return (values * UNIT).astype(np.float32)
