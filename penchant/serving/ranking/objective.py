"""The score of a candidate: probability ** a * value ** b + c * novelty.

The weights are settings. With b = c = 0 candidates are in the order of their probability. The value
is an item's price, as margins are not in the data; an item without one counts as the median of the
candidates. Novelty is near 1 for items that nobody bought lately and falls with their popularity:
a bonus for exploration.
"""

from dataclasses import dataclass

import numpy as np

from penchant.artifacts import Calibration
from penchant.ranking.novelty import novelty_of
from penchant.releases.item_arrays import FloatArray64, IntArray, Items
from penchant.settings import Settings


@dataclass(frozen=True)
class Objective:
    """``probability``, ``value`` and ``exploration``: the weights a, b and c."""

    probability: float = 1.0
    value: float = 0.0
    exploration: float = 0.0

    @classmethod
    def of(cls, settings: Settings) -> "Objective":
        return cls(
            settings.ranking_probability_weight,
            settings.ranking_value_weight,
            settings.ranking_exploration_weight,
        )

    def scores(
        self, probability_C: FloatArray64, price_C: FloatArray64, novelty_C: FloatArray64
    ) -> FloatArray64:
        """``price_C``: NaN where unknown."""
        scores_C = probability_C**self.probability
        if self.value:
            scores_C = scores_C * _value(price_C) ** self.value
        return scores_C + self.exploration * novelty_C


def probabilities(calibration: Calibration | None, raw_C: FloatArray64) -> FloatArray64:
    """Of an interaction, from the model's raw scores. A model without calibration gets the logistic
    function of them, which ranks equally."""
    if calibration is None:
        return 1 / (1 + np.exp(-raw_C))
    return np.interp(raw_C, calibration.scores, calibration.probabilities)


def novelty(items: Items) -> FloatArray64:
    """novelty_I: by the popularity prior; 1 for items outside of it."""
    popularity_I = np.zeros(len(items))
    popularity_I[items.prior_items_N] = np.maximum(items.prior_scores_N, 0)
    return novelty_of(popularity_I)


def order(scores_C: FloatArray64, raw_C: FloatArray64, items_C: IntArray) -> IntArray:
    """Places of the candidates, best first; ties by the raw score, where calibration is flat."""
    return np.lexsort((items_C, -raw_C, -scores_C))


def _value(price_C: FloatArray64) -> FloatArray64:
    known_C = price_C[np.isfinite(price_C)]
    typical = float(np.median(known_C)) if len(known_C) else 1.0
    return np.where(np.isfinite(price_C), price_C, typical)
