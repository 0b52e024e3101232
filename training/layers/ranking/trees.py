"""Gradient boosted trees that rank, in LightGBM (Ke et al. 2017).

The objective is XE-NDCG (Bruch 2021, "An Alternative Cross Entropy Loss for Learning-to-Rank"),
which bounds the same metric as LambdaRank (Burges 2010) and is computed faster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from penchant.artifacts import ModelFile
from penchant.encryption.encrypted_file import sha256_of
from penchant.ranking.features import Features
from training.fitting.family import State
from training.layers.ranking.examples import RankingExamples
from training.layers.ranking.saved import text_of, text_tensor

TEXT = "text"
FILE = "ranking_model.txt"


@dataclass(frozen=True)
class TreesConfig:
    """``truncation``: of the objective ``lambdarank``, pairs below this rank are not compared.
    ``share_*``: of the rows, groups of a user or features, that a tree sees."""

    objective: str = "rank_xendcg"
    trees: int = 120
    leaves: int = 15
    learning_rate: float = 0.08
    truncation: int = 20
    min_rows_of_leaf: int = 300
    share_of_features: float = 0.4
    share_of_rows: float = 0.7
    l2: float = 5.0
    bins: int = 127


@dataclass(frozen=True)
class Trees:
    """``leaves``: of a tree at most."""

    booster: lgb.Booster
    leaves: int

    @classmethod
    def fit(
        cls, parts: Sequence[RankingExamples], config: TreesConfig, seed: int, threads: int
    ) -> "Trees":
        """Learn to rank each user's candidates. The same seed gives the same trees."""
        return cls(_fitted(parts, config, seed, threads), config.leaves)

    @classmethod
    def of(cls, state: State, leaves: int) -> "Trees":
        """The trees of ``state``."""
        return cls(lgb.Booster(model_str=text_of(state[TEXT])), leaves)

    def scores(self, features_CF: Features) -> npt.NDArray[np.float64]:
        if not len(features_CF):
            return np.zeros(0)
        return np.asarray(self.booster.predict(features_CF), np.float64)

    def state(self) -> State:
        return {TEXT: text_tensor(self.booster.model_to_string())}

    def importance(self) -> tuple[float, ...]:
        """The share of each feature in the gain of all splits."""
        gain_F = self.booster.feature_importance("gain").astype(np.float64)
        return tuple((gain_F / max(gain_F.sum(), np.finfo(np.float64).tiny)).tolist())

    def write(self, folder: Path) -> ModelFile:
        """Write LightGBM's text."""
        (folder / FILE).write_text(self.booster.model_to_string())
        return ModelFile(
            name=FILE,
            sha256=sha256_of(folder / FILE),
            trees=self.booster.num_trees(),
            max_leaves=self.leaves,
        )


def _fitted(
    parts: Sequence[RankingExamples], config: TreesConfig, seed: int, threads: int
) -> lgb.Booster:
    data = lgb.Dataset(
        [part.features_CF for part in parts],
        np.concatenate([part.label_C for part in parts]).astype(np.float32),
        group=np.concatenate([part.counts_G for part in parts]),
        # the names of features have spaces, which LightGBM does not allow
        feature_name=[f"f{place}" for place in range(parts[0].features_CF.shape[1])],
        params={"max_bin": config.bins, "verbosity": -1},
    )
    parameters = {
        "objective": config.objective,
        "lambdarank_truncation_level": config.truncation,
        "num_leaves": config.leaves,
        "learning_rate": config.learning_rate,
        "min_data_in_leaf": config.min_rows_of_leaf,
        "feature_fraction": config.share_of_features,
        "bagging_fraction": config.share_of_rows,
        "bagging_freq": 1,
        "lambda_l2": config.l2,
        "max_bin": config.bins,
        "num_threads": threads,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    return lgb.train(parameters, data, config.trees)
