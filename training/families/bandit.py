"""A policy learned from the log: what is believed of clicks, and how to choose in the light of it.

The belief is Bayesian logistic regression (Chapelle & Li 2011), or linear (Li et al. 2010), of the
picks before T1, on what was known of each in the morning of its day. The policy is one of
penchant/policy. It ranks nothing: it chooses among candidates that others have found.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from penchant.bandits.context_features import ContextFeatures
from penchant.bandits.learned import LearnedPolicy, PolicyConfig
from penchant.bandits.slates import ActionScores
from penchant.errors import NothingToDo
from training.data.histories import Histories
from training.data.policy_log import PolicyLog
from training.data.split import Split
from training.fitting.context import TrainingContext
from training.fitting.family import Family, State
from training.layers.action_features import facts_of, of_picks

Config = PolicyConfig


class Model(Family):
    """State: the posterior's arrays; numpy alone can read it."""

    config: PolicyConfig

    def fit(self, split: Split, context: TrainingContext) -> None:
        """Raises NothingToDo for a snapshot in which nothing was shown with a propensity, or
        nothing before T1."""
        self.learn(context.policy_log(), split.train, context.items)

    def learn(self, log: PolicyLog, histories: Histories, items: pa.Table) -> None:
        """From the picks of the log before the histories end; raises as ``fit`` does."""
        learned = log.between(0, histories.end)
        if not len(learned):
            raise NothingToDo(
                "no item was shown with a propensity before the validation window",
                "log for longer: the last four weeks are kept for judging",
            )
        features_ND = of_picks(facts_of(histories, items, learned), learned)
        self.policy = LearnedPolicy.untrained(self.config).updated(features_ND, learned.clicked_N)

    def action_scores(self, asked: ContextFeatures, random: np.random.Generator) -> ActionScores:
        return self.policy.action_scores(asked, random)

    def expected_clicks(self, asked: ContextFeatures) -> npt.NDArray[np.float64]:
        return self.policy.expected_clicks(asked)

    def state(self) -> State:
        return {name: torch.from_numpy(value) for name, value in self.policy.state().items()}

    def load_state(self, state: State) -> None:
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        self.policy = LearnedPolicy.from_state(self.config, arrays)
