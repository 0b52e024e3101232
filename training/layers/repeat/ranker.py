"""Next-basket ranking: LambdaMART over features of user and item and the scores of members.

Learns from past baskets: each basket that is learned from is predicted from what was before it,
features, members and statistics of items included. Candidates are all items that a user had and the
best of each member. Burges 2010, "From RankNet to LambdaRank to LambdaMART", in LightGBM.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np
import torch

from training.data.histories import FloatArray, Histories, IntArray
from training.data.split import Window
from training.evaluation.metrics.full_ranking import parts, top
from training.fitting.family import Ranker
from training.layers.repeat.features import features, pairs_of, shop_of

LEAST = -1e6  # added to the first member's score of an item that is no candidate


@dataclass(frozen=True)
class Config:
    """``nearest``: candidates of each member beside a user's own items. ``users``: at most so many
    are learned from, in each of the past baskets."""

    nearest: int = 50
    users: int = 1_000
    rounds: int = 150
    learning_rate: float = 0.05
    leaves: int = 31
    least_rows: int = 100
    regularization: float = 1.0
    columns_a_tree: float = 0.7
    rows_a_tree: float = 0.8
    truncation: int = 20


@dataclass(frozen=True)
class Examples:
    """Candidates of a past window. ``users_C``: rows of its users, ascending."""

    users_C: IntArray
    values_CF: FloatArray
    hits_C: np.ndarray

    @property
    def sizes(self) -> IntArray:
        """Candidates of each user."""
        return np.unique(self.users_C, return_counts=True)[1]


class RepeatRanker:
    """``members``: rankers with their configuration; they are brought up to date here."""

    def __init__(self, config: Config, members: Sequence[Ranker]) -> None:
        self.config, self.members = config, members

    def fit(self, windows: Sequence[Window], seed: int) -> None:
        """Learn to predict the targets of past windows from their histories."""
        config = self.config
        examples = [self._examples(window, seed) for window in windows]
        data = lightgbm.Dataset(
            np.concatenate([one.values_CF for one in examples]),
            np.concatenate([one.hits_C for one in examples]).astype(np.int8),
            group=np.concatenate([one.sizes for one in examples]),
        )
        parameters = {
            "objective": "lambdarank",
            "lambdarank_truncation_level": config.truncation,
            "learning_rate": config.learning_rate,
            "num_leaves": config.leaves,
            "min_data_in_leaf": config.least_rows,
            "lambda_l2": config.regularization,
            "feature_fraction": config.columns_a_tree,
            "bagging_fraction": config.rows_a_tree,
            "bagging_freq": 1,
            "seed": seed,
            "deterministic": True,
            "num_threads": torch.get_num_threads(),
            "verbose": -1,
        }
        self.trees = lightgbm.train(parameters, data, config.rounds)

    def observe(self, histories: Histories) -> None:
        for member in self.members:
            member.observe(histories)
        self.shop = shop_of(histories, pairs_of(histories))

    def scores(self, batch: Histories) -> torch.Tensor:
        rows_C, items_C, values_CF, scores_BI = self._candidates(batch)
        scores_BI = scores_BI + LEAST
        predicted_C = np.asarray(self.trees.predict(values_CF), np.float32)
        scores_BI[rows_C, items_C] = torch.from_numpy(predicted_C)
        return scores_BI

    def _examples(self, window: Window, seed: int) -> Examples:
        """Candidates of the window's users who have a history, a sample where there are many."""
        self.observe(window.histories)
        window = window.evaluated()
        known_U = np.flatnonzero(window.histories.lengths_U)
        drawn_U = np.random.default_rng(seed).permutation(known_U)[: self.config.users]
        window = window.take(np.sort(drawn_U))
        found, first = [], 0
        for part in parts(window.histories):
            rows_C, items_C, values_CF, _ = self._candidates(part)
            targets = window.targets.take(np.arange(first, first + len(part)))
            wanted = targets.rows_N * targets.item_count + targets.items_N
            hits_C = np.isin(rows_C * part.item_count + items_C, wanted)
            found.append(Examples(rows_C + first, values_CF, hits_C))
            first += len(part)
        return Examples(
            np.concatenate([one.users_C for one in found]),
            np.concatenate([one.values_CF for one in found]),
            np.concatenate([one.hits_C for one in found]),
        )

    def _candidates(self, batch: Histories) -> tuple[IntArray, IntArray, FloatArray, torch.Tensor]:
        """rows_C, items_C, their features, and the first member's scores of all items."""
        pairs = pairs_of(batch)
        scores = [member.scores(batch).float() for member in self.members]
        cells = [pairs.key_P]
        for scores_BI in scores:
            _, items_BK = top(scores_BI, self.config.nearest)
            cells.append((np.arange(len(batch))[:, None] * batch.item_count + items_BK).ravel())
        rows_C, items_C = np.divmod(np.unique(np.concatenate(cells)), batch.item_count)
        own_CF = features(batch, pairs, self.shop, rows_C, items_C)
        scored_CM = np.stack([one[rows_C, items_C].numpy() for one in scores], axis=1)
        return rows_C, items_C, np.concatenate([own_CF, scored_CM], axis=1), scores[0]


def past_windows(histories: Histories, baskets: int, day: int) -> list[Window]:
    """The last baskets of all users as windows, each with what was before it; newest first."""
    ends = [histories.end - place * day for place in range(baskets)]
    return [
        Window(histories.before(end - day), histories.before(end).between(end - day, end))
        for end in ends
    ]
