"""A policy learned from the log: what is believed of clicks, and how to choose in the light of it.

The belief is Bayesian logistic regression (Chapelle & Li 2011), or linear (Li et al. 2010), on the
features of action_features.py, of the picks before T1. The policy is one of penchant/policy. It
ranks
nothing: it chooses among candidates that others have found.
"""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from penchant.errors import NothingToDo
from penchant.policy.logistic import LogisticPosterior, sigmoid
from penchant.policy.policies import EpsilonGreedy, Policy, Thompson, UpperConfidence
from penchant.policy.posterior import LinearPosterior
from penchant.policy.slates import Votes
from training.data import Histories
from training.family import Bench, Family, State
from training.policies.action_features import NAMES, Known, features, known, of_picks
from training.policies.policy_log import Asked, PolicyLog
from training.split import Split

NOISE = 0.5  # the most that a click can deviate


@dataclass(frozen=True)
class Config:
    """``floor``: the share of picks that are any candidate, so that the next log can judge the next
    policy. ``width``: of linucb. ``draws``: of thompson. ``precision``: of each weight's prior."""

    belief: Literal["logistic", "linear"] = "logistic"
    policy: Literal["thompson", "linucb", "epsilon greedy"] = "thompson"
    floor: float = 0.05
    width: float = 1.0
    draws: int = 32
    precision: float = 1.0


class Model(Family):
    """State: the posterior's arrays and what is known of the items; numpy alone can read it."""

    config: Config

    def fit(self, split: Split, bench: Bench) -> None:
        """Raises NothingToDo for a snapshot in which nothing was shown with a propensity, or
        nothing before T1."""
        self.learn(bench.policy_log(), split.train, bench.items)

    def learn(self, log: PolicyLog, histories: Histories, items: pa.Table) -> None:
        """From the picks of the log before the histories end; raises as ``fit`` does."""
        self._log, self._items = log, items
        learned = log.between(0, histories.end)
        if not len(learned):
            raise NothingToDo(
                "no item was shown with a propensity before the validation window",
                "log for longer: the last four weeks are kept for judging",
            )
        self.observe(histories)
        features_ND = of_picks(self._known, histories, learned)
        self._posterior = self._prior().updated(features_ND, learned.clicked_N)

    def observe(self, histories: Histories) -> None:
        """What is known of the items moves on; the posterior stays as it was fitted."""
        self._known = known(histories, self._items, self._log)

    def votes(self, asked: Asked, random: np.random.Generator) -> Votes:
        belief = self._posterior.of_candidates(features(self._known, asked))
        present_BC = np.ones((len(asked.users_B), len(asked.candidates_C)), bool)
        return self._policy().votes(belief, present_BC, random)

    def expected(self, asked: Asked) -> npt.NDArray[np.float64]:
        scores_BC = self._posterior.of_candidates(features(self._known, asked)).mean_BC
        return sigmoid(scores_BC) if self.config.belief == "logistic" else scores_BC.clip(0, 1)

    def state(self) -> State:
        arrays = {f"posterior/{name}": value for name, value in self._posterior.state().items()}
        arrays |= {f"known/{name}": value for name, value in vars(self._known).items()}
        return {name: torch.from_numpy(value) for name, value in arrays.items()}

    def load_state(self, state: State) -> None:
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        inside = "posterior/"
        posterior = {
            name.removeprefix(inside): value
            for name, value in arrays.items()
            if name.startswith(inside)
        }
        self._posterior = type(self._prior()).of_state(posterior)
        self._known = Known(*(arrays[f"known/{one.name}"] for one in fields(Known)))

    def _prior(self) -> LogisticPosterior | LinearPosterior:
        precision = self.config.precision
        if self.config.belief == "logistic":
            return LogisticPosterior.prior(1, len(NAMES), precision)
        return LinearPosterior.prior(1, len(NAMES), precision, NOISE)

    def _policy(self) -> Policy:
        config = self.config
        if config.policy == "thompson":
            return Thompson(config.draws, config.floor)
        if config.policy == "linucb":
            return UpperConfidence(config.width, config.floor)
        return EpsilonGreedy(config.floor)
