"""LambdaMART: boosted trees that rank the candidates of several sources (Burges 2010), with the
loss of Bruch 2021.

The candidates, their features and the fortnights that the trees learn from are those of
layers/ranking/candidate_ranker.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from training.fitting.context import TrainingContext
from training.fitting.family import State
from training.layers.ranking.candidate_ranker import CandidateConfig, CandidateRanker
from training.layers.ranking.examples import RankingExamples
from training.layers.ranking.trees import Trees, TreesConfig


@dataclass(frozen=True)
class Config(CandidateConfig):
    trees: TreesConfig = field(default_factory=TreesConfig)


class Model(CandidateRanker):
    """The trees as LightGBM's text."""

    family = "lambdamart"
    config: Config

    def learned(self, parts: Sequence[RankingExamples], context: TrainingContext) -> Trees:
        return Trees.fit(parts, self.config.trees, context.seed, torch.get_num_threads())

    def loaded(self, state: State) -> Trees:
        return Trees.of(state, self.config.trees.leaves)
