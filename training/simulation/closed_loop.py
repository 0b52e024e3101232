"""Closed-loop simulation of policies in a world with known truth: clicks and regret.

All policies learn the same model (additive_belief.py) and differ in how they select actions. A loop
begins with ``WARMING_DAYS`` of random slates, the same for all, like a shop without a log.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from penchant.bandits.dynamic import Dynamic, ExplorationConfig, Signals
from penchant.bandits.policies import EpsilonGreedy, Policy, Thompson, UpperConfidence
from penchant.bandits.slates import FloatArray, Slates, draw_slates
from training.layers.additive_belief import AdditiveBelief, AdditiveConfig, AdditiveInterest, Shown
from training.simulation.world import Requests, World, WorldConfig

Chooser = Callable[[AdditiveBelief, Requests], Policy]
"""The policy for a day's requests."""

WARMING_DAYS = 3
TIRED = 4.0  # times that a category was shown of late: what tires all
NEW = 0.6  # of the prior's deviation: an item that is known so little is new


@dataclass(frozen=True)
class Course:
    """One policy in one world, a value per day: ``clicks_T`` (expected, so without the luck of
    the draw), ``regret_T`` (expected clicks of the day's best slates, less these), visits, share
    of explored first positions, users who have left."""

    clicks_T: FloatArray
    regret_T: FloatArray
    visits_T: FloatArray
    explored_T: FloatArray
    left_T: FloatArray

    @property
    def value(self) -> float:
        """Clicks over the whole course, after the warm-up that all share: the long-term value."""
        return float(self.clicks_T[WARMING_DAYS:].sum())

    @property
    def regret(self) -> float:
        return float(self.regret_T[WARMING_DAYS:].sum())


def run_policy(
    chooser: Chooser,
    config: WorldConfig,
    seed: int,
    belief: AdditiveConfig | None = None,
) -> Course:
    """Run a policy in the world of a seed, which fixes users, items, seasons and arrivals."""
    loop = Loop(config, seed, belief or AdditiveConfig())
    days = [loop.day(chooser) for _ in range(config.days)]
    return Course(*np.array(days).T)


class Loop:
    """A world and the model that a policy learns of it, day by day."""

    def __init__(self, config: WorldConfig, seed: int, belief: AdditiveConfig) -> None:
        self.world = World(config, seed)
        self._random = np.random.default_rng([seed, 1])
        dimensions = config.categories
        self.interest = AdditiveInterest(
            belief, config.users, config.items, 3 + dimensions, dimensions
        )
        self._looked_K = np.ones(config.slate)
        self._warm: list[FloatArray] = []

    def day(self, chooser: Chooser) -> tuple[float, ...]:
        """Serve a day and learn from it; the day's entries of ``Course``."""
        world, config = self.world, self.world.config
        requests = world.requests()
        belief, features = self.belief(requests)
        warming = requests.day < WARMING_DAYS
        policy = EpsilonGreedy(1.0) if warming else chooser(belief, requests)
        present_BC = np.ones(requests.items_BC.shape, bool)
        slates = draw_slates(
            policy.action_scores(belief, present_BC, self._random), config.slate, self._random
        )
        expected = world.clicks(requests, slates.actions_BK).sum()
        regret = world.best(requests).sum() - expected
        clicks_BK = world.answer(requests, slates.actions_BK).astype(float)
        if warming:
            self._look(clicks_BK)
        self._learn(requests, features, slates, clicks_BK)
        greedy_B1 = belief.mean_BC.argmax(axis=1)[:, None]
        explored = (slates.actions_BK[:, :1] != greedy_B1).mean() if len(greedy_B1) else 0.0
        world.next_day()
        counts = len(requests.users_B), explored, world.left_U.sum()
        return (expected, regret, *map(float, counts))

    def belief(self, requests: Requests) -> tuple[AdditiveBelief, FloatArray]:
        """The posterior of the candidates, and the features of each: one, fatigue of its category,
        content."""
        content_BCD = self.world.content_ID[requests.items_BC]
        shown_BC = requests.shown_BC
        context_BCD = np.concatenate(
            [
                np.stack([np.ones_like(shown_BC), shown_BC / TIRED, (shown_BC / TIRED) ** 2], 2),
                content_BCD,
            ],
            axis=2,
        )
        return (
            self.interest.belief(requests.users_B, requests.items_BC, context_BCD, content_BCD),
            context_BCD,
        )

    def _look(self, clicks_BK: FloatArray) -> None:
        """Estimate the examination probability of each position, from random slates."""
        self._warm.append(clicks_BK.sum(axis=0))
        clicks_K = np.sum(self._warm, axis=0) + 1
        self._looked_K = np.minimum.accumulate(clicks_K / clicks_K[0])

    def _learn(
        self, requests: Requests, context_BCD: FloatArray, slates: Slates, clicks_BK: FloatArray
    ) -> None:
        actions_BK = slates.actions_BK
        length = actions_BK.shape[1]
        context_BKD = np.take_along_axis(context_BCD, actions_BK[:, :, None], axis=1)
        items_N = np.take_along_axis(requests.items_BC, actions_BK, axis=1).ravel()
        self.interest.learn(
            Shown(
                np.repeat(requests.users_B, length),
                items_N,
                context_BKD.reshape(len(items_N), -1),
                self.world.content_ID[items_N],
                np.tile(self._looked_K, len(actions_BK)),
                clicks_BK.ravel(),
            )
        )


def signals(belief: AdditiveBelief, requests: Requests, slate: int) -> Signals:
    """Inputs of the dynamic trade-off, from the belief and the log alone."""
    unknown_BC = belief.own.deviation_BC / belief.prior_own_deviation
    new_BC = belief.item_deviation_BC > NEW * belief.prior_item_deviation
    best_BK = np.argpartition(-belief.mean_BC, slate - 1, axis=1)[:, :slate]
    tired_BC = requests.shown_BC / TIRED
    return Signals(
        unknown_BC.mean(axis=1).clip(0, 1),
        new_BC.mean(axis=1),
        np.take_along_axis(tired_BC, best_BK, axis=1).mean(axis=1).clip(0, 1),
        tired_BC,
    )


@dataclass(frozen=True)
class Named:
    """A policy with its name in plots and tables."""

    name: str
    chooser: Chooser = field(compare=False)


def fixed(policy: Policy) -> Chooser:
    return lambda belief, requests: policy


def dynamic(exploration: ExplorationConfig, slate: int) -> Chooser:
    return lambda belief, requests: Dynamic(exploration, signals(belief, requests, slate))


EPSILONS = (0.02, 0.05, 0.1, 0.2, 0.4)


def contenders(slate: int) -> list[Named]:
    """Exploit only, fixed shares, LinUCB, Thompson sampling, and the dynamic trade-off."""
    return [
        Named("exploit only", fixed(EpsilonGreedy(0.0))),
        *(Named(f"fixed {epsilon:g}", fixed(EpsilonGreedy(epsilon))) for epsilon in EPSILONS),
        Named("linucb", fixed(UpperConfidence(width=1.0, floor=0.0))),
        Named("thompson", fixed(Thompson(floor=0.0))),
        Named("dynamic", dynamic(ExplorationConfig(), slate)),
    ]
