"""Which offers each user gets, within a budget: a Lagrangian relaxation.

With a price on money, users are independent: each gets the offer and discount of the highest worth
less price times cost, then the next one at what saturation leaves of its worth, for as long as that
is above 0. The price is the least at which the budget suffices, found by bisection; users who
change their offers at that price are added while there is money. Only one user's offers are then
missing from the optimum of the relaxation.
"""

from dataclasses import dataclass

import numpy as np

from training.evaluation.metrics.intervals import BoolArray, FloatArray, IntArray

BISECTIONS = 50


@dataclass(frozen=True)
class Choices:
    """Of each user, offer and discount: ``worth_UOD`` of a first offer, ``cost_UOD``.

    ``net``: costs are subtracted from the worth, so that an offer must earn them."""

    worth_UOD: FloatArray
    cost_UOD: FloatArray
    saturation: float
    most: int
    net: bool


@dataclass(frozen=True)
class Allocation:
    """``discount_UO``: place of the discount, -1 for none. ``place_UO``: 0 for a user's first
    offer. ``price``: worth that one more unit of budget would add."""

    discount_UO: IntArray
    place_UO: IntArray
    price: float

    @property
    def chosen_UO(self) -> BoolArray:
        return np.asarray(self.discount_UO >= 0)

    def at(self, value_UOD: FloatArray) -> FloatArray:
        """value_UO at the chosen discounts, 0 without one."""
        place_UO1 = np.maximum(self.discount_UO, 0)[:, :, None]
        value_UO = np.take_along_axis(value_UOD, place_UO1, axis=2)[:, :, 0]
        return np.where(self.chosen_UO, value_UO, 0.0)

    def worth(self, choices: Choices) -> float:
        """What the goal counts, if all users are sent their offers."""
        remaining_UO = choices.saturation ** np.maximum(self.place_UO, 0)
        worth = float((self.at(choices.worth_UOD) * remaining_UO).sum())
        return worth - float(self.at(choices.cost_UOD).sum()) if choices.net else worth


def allocate(choices: Choices, budget: float, seed: int) -> Allocation:
    """The best offers that cost at most ``budget``."""
    free = at_price(choices, 0.0)
    if free.at(choices.cost_UOD).sum() <= budget:
        return free
    with np.errstate(divide="ignore", invalid="ignore"):
        efficiency = np.nan_to_num(choices.worth_UOD / choices.cost_UOD, posinf=0.0)
    low, high = 0.0, float(max(efficiency.max(), 1e-9)) * 1.01
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        within = at_price(choices, middle).at(choices.cost_UOD).sum() <= budget
        low, high = (low, middle) if within else (middle, high)
    return _filled(choices, at_price(choices, high), at_price(choices, low), budget, seed)


def at_price(choices: Choices, price: float) -> Allocation:
    """The best offers of each user where a unit of money costs ``price`` more, without a budget."""
    users, offers, _ = choices.worth_UOD.shape
    discount_UO = np.full((users, offers), -1)
    place_UO = np.full((users, offers), -1)
    everybody = np.arange(users)
    for place in range(min(choices.most, offers)):
        gain_UOD = choices.saturation**place * choices.worth_UOD
        gain_UOD = gain_UOD - (price + choices.net) * choices.cost_UOD
        gain_UOD[discount_UO >= 0] = -np.inf
        best_UO, discount_of_UO = gain_UOD.max(axis=2), gain_UOD.argmax(axis=2)
        offer_U = best_UO.argmax(axis=1)
        taken = np.flatnonzero(best_UO[everybody, offer_U] > 0)
        if not len(taken):
            break
        discount_UO[taken, offer_U[taken]] = discount_of_UO[taken, offer_U[taken]]
        place_UO[taken, offer_U[taken]] = place
    return Allocation(discount_UO, place_UO, price)


def _filled(
    choices: Choices, within: Allocation, beyond: Allocation, budget: float, seed: int
) -> Allocation:
    """``within`` the budget, with users changed to ``beyond`` in a random order while it lasts."""
    discount_UO, place_UO = within.discount_UO.copy(), within.place_UO.copy()
    cost_U, more_U = (each.at(choices.cost_UOD).sum(axis=1) for each in (within, beyond))
    left = budget - cost_U.sum()
    changed = np.flatnonzero((within.discount_UO != beyond.discount_UO).any(axis=1))
    for user in np.random.default_rng(seed).permutation(changed):
        if more_U[user] - cost_U[user] <= left:
            left -= more_U[user] - cost_U[user]
            discount_UO[user], place_UO[user] = beyond.discount_UO[user], beyond.place_UO[user]
    return Allocation(discount_UO, place_UO, within.price)
