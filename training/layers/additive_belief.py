"""What a closed loop believes of a user and an item: the sum of three linear posteriors.

    score(user, item) = context · shared + content · the user's own + the item's own

The shared part learns what holds for all, the user's own starts at zero with a prior variance,
so that somebody new is treated as everybody is, and the item's own is what its content does not
say. Each is regressed on what the other two leave over, a batch at a time. The parts are taken to
be
independent: their variances add up.
"""

from dataclasses import dataclass

import numpy as np

from penchant.bandits.posterior import CandidatePosterior, LinearPosterior
from penchant.bandits.slates import FloatArray, IntArray


@dataclass(frozen=True)
class AdditiveConfig:
    """Prior deviations are of a click's probability. ``noise``: a click's around it. ``forgets_*``:
    the share of the evidence that is lost a day."""

    shared_deviation: float = 1.0
    own_deviation: float = 0.1
    item_deviation: float = 0.05
    noise: float = 0.3
    forgets_shared: float = 0.005
    forgets_own: float = 0.01
    forgets_item: float = 0.0


@dataclass(frozen=True)
class Shown:
    """Rows of what was shown and what came of it. ``looked_N``: how likely it was looked at where
    it stood, of the first position's."""

    users_N: IntArray
    items_N: IntArray
    context_ND: FloatArray
    content_ND: FloatArray
    looked_N: FloatArray
    rewards_N: FloatArray


@dataclass(frozen=True)
class AdditiveBelief:
    """Of some requests' candidates; see ``penchant.bandits.posterior.ScorePosterior``."""

    shared: CandidatePosterior
    own: CandidatePosterior
    item_mean_BC: FloatArray
    item_deviation_BC: FloatArray
    items_BC: IntArray
    prior_own_deviation: float
    prior_item_deviation: float

    @property
    def mean_BC(self) -> FloatArray:
        return self.shared.mean_BC + self.own.mean_BC + self.item_mean_BC

    @property
    def deviation_BC(self) -> FloatArray:
        return np.sqrt(
            self.shared.deviation_BC**2 + self.own.deviation_BC**2 + self.item_deviation_BC**2
        )

    def draws(self, count: int, random: np.random.Generator) -> FloatArray:
        """An item's draw is the same for every request."""
        lots_IV = random.standard_normal((int(self.items_BC.max(initial=0)) + 1, count))
        item_BVC = np.swapaxes(lots_IV[self.items_BC], 1, 2) * self.item_deviation_BC[:, None]
        item_BVC += self.item_mean_BC[:, None]
        item_BVC += self.shared.draws(count, random)
        return item_BVC + self.own.draws(count, random)


class AdditiveInterest:
    """Learns a day at a time."""

    def __init__(
        self, config: AdditiveConfig, users: int, items: int, context: int, content: int
    ) -> None:
        self.config = config
        noise = config.noise
        self.shared = LinearPosterior.prior(1, context, config.shared_deviation**-2, noise)
        self.own = LinearPosterior.prior(users, content, config.own_deviation**-2, noise)
        self.item = LinearPosterior.prior(items, 1, config.item_deviation**-2, noise)

    def belief(
        self,
        users_B: IntArray,
        items_BC: IntArray,
        context_BCD: FloatArray,
        content_BCD: FloatArray,
    ) -> AdditiveBelief:
        item = self.item.weights
        return AdditiveBelief(
            self.shared.for_candidates(context_BCD),
            self.own.for_candidates(content_BCD, users_B),
            item.mean_AD[items_BC, 0],
            np.sqrt(item.covariance_ADD[items_BC, 0, 0]),
            items_BC,
            self.config.own_deviation,
            self.config.item_deviation,
        )

    def learn(self, shown: Shown) -> None:
        """Take in a day, after forgetting a little of those before."""
        config = self.config
        looked_N, rewards_N = shown.looked_N, shown.rewards_N
        context_ND = shown.context_ND * looked_N[:, None]
        content_ND = shown.content_ND * looked_N[:, None]
        mean_shared_N = context_ND @ self.shared.weights.mean_AD[0]
        mean_own_N = (content_ND * self.own.weights.mean_AD[shown.users_N]).sum(axis=1)
        mean_item_N = looked_N * self.item.weights.mean_AD[shown.items_N, 0]
        self.shared = self.shared.discounted(config.forgets_shared).updated(
            context_ND, rewards_N - mean_own_N - mean_item_N
        )
        self.own = self.own.discounted(config.forgets_own).updated(
            content_ND, rewards_N - mean_shared_N - mean_item_N, shown.users_N
        )
        self.item = self.item.discounted(config.forgets_item).updated(
            looked_N[:, None], rewards_N - mean_shared_N - mean_own_N, shown.items_N
        )
