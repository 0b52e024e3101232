"""How demand answers to a discount: the elasticity of an item's weekly purchases to its price.

A regression of log purchases on log price with an effect of each item and each week, over the weeks
of ``item_demand`` in which an item was sold. It is an association: a shop lowers prices when it
expects demand, and weeks without a sale are missing, which both make it too small or too large.
Resampled by item.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from penchant.artifacts import Snapshot
from penchant.encryption import parquet as pq
from penchant.errors import DataError
from training.evaluation.metrics.intervals import FloatArray

LEAST_WEEKS, LEAST_ITEMS, SWEEPS = 8, 20, 10
PURCHASES, PRICE = "demand_purchases_7d", "demand_price_7d"


@dataclass(frozen=True)
class Elasticity:
    """``draws_R``: per cent more purchases of one per cent off; the first value is of all items,
    the others of resampled items. ``items``: whose price changed."""

    draws_R: FloatArray
    items: int

    def times(self, discount: float, usual: float) -> FloatArray:
        """times_R: what a discount adds, over what the usual one adds."""
        return ((1 - discount) ** -self.draws_R - 1) / ((1 - usual) ** -self.draws_R - 1)

    def demand(self, discount: float, usual: float) -> FloatArray:
        """demand_R: what is bought with a discount, over what is bought with the usual one."""
        return ((1 - discount) / (1 - usual)) ** -self.draws_R


def unit_elasticity(draws: int) -> Elasticity:
    """For a plan with the usual discount alone, for which no elasticity is needed."""
    return Elasticity(np.ones(draws + 1), 0)


def elasticity(snapshot: Snapshot, draws: int, seed: int) -> Elasticity:
    """Raises DataError where prices hardly change, or demand does not answer to them."""
    table = pq.read_table(snapshot.mart("item_demand"))
    table = table.filter(pc.greater(table[PRICE], 0.0))
    item_N, week_N = (
        np.unique(table[name].to_numpy(), return_inverse=True)[1]
        for name in ("item_id", "feature_at")
    )
    pieces_N = np.log(table[PURCHASES].to_numpy().astype(np.float64))
    price_N = np.log(table[PRICE].to_numpy())
    enough_N = (np.bincount(item_N) >= LEAST_WEEKS)[item_N]
    item_N, week_N = item_N[enough_N], week_N[enough_N]
    sums_I2 = _sums(item_N, week_N, pieces_N[enough_N], price_N[enough_N])
    if len(sums_I2) < LEAST_ITEMS:
        raise DataError(
            f"the price of {len(sums_I2)} items changed, an elasticity needs {LEAST_ITEMS}",
            "plan with the usual discount alone: `discounts: [usual_discount]`",
        )
    random = np.random.default_rng(seed)
    count_RI = random.multinomial(len(sums_I2), np.full(len(sums_I2), 1 / len(sums_I2)), draws)
    drawn_R2 = np.vstack([sums_I2.sum(axis=0), count_RI @ sums_I2])
    draws_R = -drawn_R2[:, 0] / drawn_R2[:, 1]
    if np.quantile(draws_R[1:], 0.025) <= 0:
        raise DataError(
            f"demand does not rise where prices fall: an elasticity of {draws_R[0]:.2f}",
            "plan with the usual discount alone: `discounts: [usual_discount]`",
        )
    return Elasticity(draws_R, len(sums_I2))


def _sums(
    item_N: np.ndarray, week_N: np.ndarray, pieces_N: FloatArray, price_N: FloatArray
) -> FloatArray:
    """Of each item whose price changed: the sums of price times pieces and of price squared, both
    less the effects of items and weeks, by alternating projections."""
    if not len(item_N):
        return np.zeros((0, 2))
    for _ in range(SWEEPS):
        pieces_N, price_N = (_centred(_centred(x, week_N), item_N) for x in (pieces_N, price_N))
    sums_I2 = np.column_stack(
        [np.bincount(item_N, price_N * pieces_N), np.bincount(item_N, price_N * price_N)]
    )
    return np.asarray(sums_I2[sums_I2[:, 1] > 1e-9])


def _centred(value_N: FloatArray, group_N: np.ndarray) -> FloatArray:
    count_G = np.maximum(np.bincount(group_N), 1)
    return np.asarray(value_N - (np.bincount(group_N, value_N) / count_G)[group_N])
