"""A bandit policy learned from the policy log.

The posterior is Bayesian logistic regression (Chapelle & Li 2011), or linear (Li et al. 2010), of
clicks on the actions before T1, with context features as of the morning of each day. The policy is
one of penchant/bandits. It does not rank the catalogue: it selects among candidates.
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
from training.layers.action_features import action_features, context_counts

Config = PolicyConfig


class Model(Family):
    """State: the posterior's arrays; numpy alone can read it."""

    config: PolicyConfig

    def fit(self, split: Split, context: TrainingContext) -> None:
        """Raises NothingToDo for a snapshot in which nothing was shown with a propensity, or
        nothing before T1."""
        self.learn(context.policy_log(), split.train, context.items)

    def learn(self, log: PolicyLog, histories: Histories, items: pa.Table) -> None:
        """From the actions of the log before the histories end; raises as ``fit`` does."""
        learned = log.between(0, histories.end)
        if not len(learned):
            raise NothingToDo(
                "no item was shown with a propensity before the validation window",
                "log for longer: the last four weeks are kept for evaluation",
            )
        features_ND = action_features(context_counts(histories, items, learned), learned)
        self.policy = LearnedPolicy.untrained(self.config).updated(features_ND, learned.clicked_N)

    def action_scores(self, context: ContextFeatures, random: np.random.Generator) -> ActionScores:
        return self.policy.action_scores(context, random)

    def expected_clicks(self, context: ContextFeatures) -> npt.NDArray[np.float64]:
        return self.policy.expected_clicks(context)

    def state(self) -> State:
        return {name: torch.from_numpy(value) for name, value in self.policy.state().items()}

    def load_state(self, state: State) -> None:
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        self.policy = LearnedPolicy.from_state(self.config, arrays)
