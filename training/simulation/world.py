"""A shop with known truth: what each user would click is known, never logged.

Beside ``penchant.ingestion``'s simulator, which writes landing files of a shop that shows by a
fixed rule, this one answers whatever a policy shows, a day at a time, for all visitors at once:

- users have latent interests in the directions of item content; they drift a little every day
  and sometimes turn to something else. Interest in a category spills over to the ones linked to it;
- items differ in a quality that their content does not show; new ones arrive all the time;
- categories have their seasons;
- a lower position is looked at less;
- what was shown often of a category tires: it is clicked less, and users who are tired or see
  little that suits them visit less and in the end leave. New users come.

Everything is a function of the config and the seed. No clock, no file.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penchant.bandits.logistic import sigmoid

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

YEAR = 365.0  # days


@dataclass(frozen=True)
class WorldConfig:
    """``arriving_*``: the share that is not there on the first day and comes evenly over ``days``.
    ``visits``: a day, of a user who is content. Rates are a day's."""

    users: int = 1000
    items: int = 240
    categories: int = 8
    days: int = 120
    slate: int = 4
    candidates: int = 24
    visits: float = 0.35
    arriving_users: float = 0.3
    arriving_items: float = 0.5
    preference: float = 1.8
    quality: float = 0.9
    links: float = 0.3
    season: float = 0.4
    base: float = -3.2
    drift: float = 0.02
    turn: float = 0.004
    examination: float = 0.7
    tiring: float = 0.12
    resting: float = 0.8
    tolerance: float = 3.0
    boredom: float = 0.012
    content: float = 0.06
    recovery: float = 0.01
    leaving: float = 0.02


@dataclass(frozen=True)
class Requests:
    """A day's visitors. ``shown_BC``: how often of late each candidate's category was shown to the
    user, which a log would tell. ``appeal_BC`` is the truth: the chance of a click at the first
    position; a policy must not look at it."""

    day: int
    users_B: IntArray
    items_BC: IntArray
    shown_BC: FloatArray
    appeal_BC: FloatArray


class World:
    """Begins on day 0; ``requests``, ``answer`` and ``next_day`` take it on."""

    def __init__(self, config: WorldConfig, seed: int) -> None:
        self.config = config
        self._random = np.random.default_rng(seed)
        random, size = self._random, config.categories
        self.day = 0
        self.category_I = np.arange(config.items) % size
        self.content_ID = _content(random, self.category_I, size)
        self._quality_I = config.quality * random.standard_normal(config.items)
        self.arrival_I = _arrivals(random, config.items, config.arriving_items, config.days)
        self.arrival_U = _arrivals(random, config.users, config.arriving_users, config.days)
        self._interest_UG = config.preference * random.standard_normal((config.users, size))
        linked = random.permutation(size)
        self._links_GG = np.eye(size)
        self._links_GG[linked, np.roll(linked, 1)] += config.links
        self._peak_G = random.random(size) * YEAR
        self._shown_UG = np.zeros((config.users, size))
        self.loyalty_U = np.ones(config.users)
        self.left_U = np.zeros(config.users, bool)
        self.examination_K = 1 / np.arange(1, config.slate + 1) ** config.examination

    def requests(self) -> Requests:
        """Who visits today, and among what a slate is to be chosen for each."""
        config = self.config
        users_B = self.visitors()
        items = np.flatnonzero(self.arrival_I <= self.day)
        lots = self._random.random((len(users_B), len(items)), dtype=np.float32)
        picked_BC = np.argpartition(lots, config.candidates - 1, axis=1)[:, : config.candidates]
        return self.among(users_B, items[picked_BC])

    def visitors(self) -> IntArray:
        """users_B who come today."""
        here_U = (self.arrival_U <= self.day) & ~self.left_U
        visits_U = self._random.random(self.config.users) < self.config.visits * self.loyalty_U
        return np.flatnonzero(here_U & visits_U)

    def among(self, users_B: IntArray, items_BC: IntArray) -> Requests:
        """Their requests, where somebody else finds the candidates."""
        shown_BC = self._shown_UG[users_B[:, None], self.category_I[items_BC]]
        appeal_BC = self._appeal(users_B, items_BC, shown_BC)
        return Requests(self.day, users_B, items_BC, shown_BC, appeal_BC)

    def answer(self, requests: Requests, actions_BK: IntArray) -> npt.NDArray[np.bool_]:
        """clicks_BK of slates, given as columns of the candidates; users remember what they
        saw."""
        config = self.config
        chance_BK = self.clicks(requests, actions_BK)
        clicks_BK = self._random.random(chance_BK.shape) < chance_BK
        users_B = requests.users_B
        items_BK = np.take_along_axis(requests.items_BC, actions_BK, axis=1)
        kinds_BK = self.category_I[items_BK]
        seen = np.bincount(
            (users_B[:, None] * config.categories + kinds_BK).ravel(),
            minlength=self._shown_UG.size,
        )
        self._shown_UG += seen.reshape(self._shown_UG.shape)
        tired_B = (self._shown_UG[users_B] - config.tolerance).clip(0).sum(axis=1)
        pleasure_B = chance_BK.sum(axis=1)
        loyalty_B = self.loyalty_U[users_B]
        loyalty_B += config.content * (pleasure_B - 0.5) - config.boredom * tired_B
        self.loyalty_U[users_B] = loyalty_B.clip(0.05, 1)
        return clicks_BK

    def clicks(self, requests: Requests, actions_BK: IntArray) -> FloatArray:
        """The true chance of a click on each action, where it stands."""
        return np.take_along_axis(requests.appeal_BC, actions_BK, axis=1) * self.examination_K

    def best(self, requests: Requests) -> FloatArray:
        """value_B: the expected clicks of the best slate of each request, for today."""
        ranked_BC = -np.sort(-requests.appeal_BC, axis=1)
        return ranked_BC[:, : self.config.slate] @ self.examination_K

    def next_day(self) -> None:
        """The night: interests drift, some turn, users rest, some leave."""
        config, random = self.config, self._random
        step_UG = random.standard_normal(self._interest_UG.shape)
        keep = np.sqrt(1 - config.drift**2)
        self._interest_UG = keep * self._interest_UG + config.drift * config.preference * step_UG
        turned = np.flatnonzero(random.random(config.users) < config.turn)
        fresh = random.standard_normal((len(turned), config.categories))
        self._interest_UG[turned] = config.preference * fresh
        self._shown_UG *= config.resting
        self.left_U |= random.random(config.users) < config.leaving * (1 - self.loyalty_U)
        self.loyalty_U += config.recovery * (1 - self.loyalty_U)
        self.day += 1

    def _appeal(self, users_B: IntArray, items_BC: IntArray, shown_BC: FloatArray) -> FloatArray:
        config = self.config
        interest_BG = self._interest_UG[users_B] @ self._links_GG
        liked_BI = interest_BG @ self.content_ID.T
        season_G = config.season * np.cos(2 * np.pi * (self.day - self._peak_G) / YEAR)
        logit_BC = (
            config.base
            + np.take_along_axis(liked_BI, items_BC, axis=1)
            + (self._quality_I + season_G[self.category_I])[items_BC]
            - config.tiring * shown_BC
        )
        return sigmoid(logit_BC)


def _content(random: np.random.Generator, category_I: IntArray, categories: int) -> FloatArray:
    """Each item's direction: its category's, and a little of others; of length 1."""
    content_IG = np.eye(categories)[category_I]
    content_IG = content_IG + 0.25 * random.standard_normal(content_IG.shape)
    return content_IG / np.linalg.norm(content_IG, axis=1, keepdims=True)


def _arrivals(random: np.random.Generator, count: int, share: float, days: int) -> IntArray:
    """The day on which each comes."""
    late = random.random(count) < share
    return np.where(late, random.integers(1, max(2, days), count), 0)
