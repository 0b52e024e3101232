"""What offers are expected to add and to cost, by user, offer and discount, and in total.

A plan takes the offers that look best, so its own estimate is too high. What it would be too high
by is found on resamples, each with a plan of its own (Efron 1983, "Estimating the Error Rate of a
Prediction Rule"): the mean of what such a plan promises on its resample, less what it is worth by
all users' effects, is subtracted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from training.campaigns.allocation import Allocation, Choices, at_price
from training.campaigns.brief import Brief
from training.campaigns.discounts import Elasticity
from training.campaigns.uplift import Uplift, running
from training.evaluation.metrics.intervals import BoolArray, FloatArray

OPTIMISM_DRAWS = 20
ALL = 0  # the draw of all users


@dataclass(frozen=True)
class Money:
    """By draw and offer, of the users who are sent something: ``added_RO`` and ``cost_RO``."""

    added_RO: FloatArray
    cost_RO: FloatArray


@dataclass(frozen=True)
class Expected:
    """Draws are those of ``uplift`` and ``elasticity``. ``matrices``: of each offer.
    ``remaining_U``: share of an effect beside the campaigns that a user has already.
    ``saturation``: the same beside each other offer of the plan."""

    brief: Brief
    uplift: Uplift
    elasticity: Elasticity
    matrices: tuple[sp.csr_matrix, ...]
    remaining_U: FloatArray
    saturation: float

    @classmethod
    def of(
        cls,
        brief: Brief,
        uplift: Uplift,
        elasticity: Elasticity,
        tables: Sequence[pa.Table],
        saturation: float,
    ) -> "Expected":
        """``tables``: the rows of each offer, one per user in the same order."""
        matrices = tuple(uplift.design.matrix(table) for table in tables)
        remaining_U = saturation ** running(tables[0])
        return cls(brief, uplift, elasticity, matrices, remaining_U, saturation)

    @property
    def margin(self) -> float:
        return self.brief.margin if self.brief.goal == "profit" else 1.0

    def choices(self, draw: int = ALL) -> Choices:
        """Of a first offer."""
        added_UOD, cost_UOD = self._added_UOD(draw), self._cost_UOD(draw)
        brief = self.brief
        return Choices(
            self.margin * added_UOD,
            cost_UOD,
            self.saturation,
            brief.offers_per_user,
            net=brief.goal == "profit",
        )

    def by_user(self, plan: Allocation, draw: int = ALL) -> tuple[FloatArray, FloatArray]:
        """added_UO and cost_UO of the planned offers, 0 elsewhere."""
        remaining_UO = np.where(plan.chosen_UO, self.saturation ** np.maximum(plan.place_UO, 0), 0)
        added_UO = plan.at(self._added_UOD(draw)) * remaining_UO
        return added_UO, plan.at(self._cost_UOD(draw))

    def money(self, plan: Allocation, sent_U: BoolArray) -> Money:
        """Of each draw, without the optimism of the plan."""
        draws = range(len(self.uplift.effects))
        sums = [[each[sent_U].sum(axis=0) for each in self.by_user(plan, d)] for d in draws]
        added_RO = np.array([added for added, _ in sums])
        share = sent_U.sum() / max(int(plan.chosen_UO.any(axis=1).sum()), 1)
        added_RO -= share * self._optimism(plan.price)
        return Money(added_RO, np.array([cost for _, cost in sums]))

    def worth_R(self, money: Money) -> FloatArray:
        """What the goal counts."""
        added_R, cost_R = money.added_RO.sum(axis=1), money.cost_RO.sum(axis=1)
        return self.margin * added_R - cost_R if self.brief.goal == "profit" else added_R

    def _optimism(self, price: float) -> FloatArray:
        """optimism_O of a plan at this price of money."""
        found = []
        for draw in range(1, 1 + min(OPTIMISM_DRAWS, len(self.uplift.effects) - 1)):
            plan = at_price(self.choices(draw), price)
            promised_UO, _ = self.by_user(plan, draw)
            worth_UO, _ = self.by_user(plan)
            found.append((promised_UO - worth_UO).sum(axis=0))
        return np.mean(found, axis=0) if found else np.zeros(len(self.matrices))

    def _added_UOD(self, draw: int) -> FloatArray:
        effect = self.uplift.effects[draw]
        first_UO = np.column_stack([effect.of(matrix) for matrix in self.matrices])
        times_D = [
            self.elasticity.times(discount, self.brief.usual_discount)[draw]
            for discount in self.brief.discounts
        ]
        return (first_UO * self.remaining_U[:, None])[:, :, None] * np.array(times_D)

    def _cost_UOD(self, draw: int) -> FloatArray:
        """Each offered item that is bought gets the discount: the most that coupons can cost."""
        spending = self.uplift.spending[draw]
        spent_UO = np.column_stack([spending.of(matrix) for matrix in self.matrices])
        share_D = [
            discount * self.elasticity.demand(discount, self.brief.usual_discount)[draw]
            for discount in self.brief.discounts
        ]
        return self.brief.contact_cost + np.maximum(spent_UO, 0.0)[:, :, None] * np.array(share_D)
