"""What a family works with while it fits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import torch

from penchant.errors import NothingToDo, UsageError
from training.data.split import Window
from training.evaluation.metrics.full_ranking import Scorer, ndcg_at_10
from training.fitting.budget import Budget
from training.fitting.parent import Parent
from training.fitting.progress import Curve, no_curve, no_cut, no_steps

if TYPE_CHECKING:  # types only: a family that reads neither does not depend on them
    from training.data.feature_history import FeatureHistory
    from training.data.policy_log import PolicyLog
    from training.fitting.family import Ranker


def no_policy_log() -> "PolicyLog":
    """For fitting on histories alone."""
    raise NothingToDo(
        "this training context has no policy log", "fit the family with `penchant train`"
    )


def no_training_set(name: str) -> pa.Table:
    """For fitting on histories alone."""
    raise UsageError(
        f"this training context has no training set {name}", "fit the family with `penchant train`"
    )


def no_feature_history() -> "FeatureHistory":
    """For fitting on histories alone."""
    raise UsageError(
        "this training context has no feature service", "fit the family with `penchant train`"
    )


@dataclass(frozen=True)
class TrainingContext:
    """What a family works with while it fits.

    ``window``: the users to tune on, and ``population``: on all items or on those ``new`` to a
    user. ``items``, ``users``: the marts, in the order of the rows of items and users.
    ``checkpoints``: a directory that outlives a killed process. ``curve``: records a point of a
    curve: name, step, value. ``expect``: takes the most steps that a fit makes, for estimating the
    time left. ``cut``: records what was left out for the size of the shop, in a line.
    ``training_set``: reads a training set that Feast joined point-in-time, by name.
    ``feature_history``: reads the marts of the service ``ranking``, for point-in-time joins.
    ``policy_log``: reads the log of impressions with their propensities. ``members``: the fitted
    families of this snapshot by name, on the CPU, for families that combine others.
    ``sentence_encoder``: folder of the shop's own (layers/encoder_folder.py). ``parent``: what a
    warm fit starts from; None for a cold one, and for a family that has no warm one.
    """

    window: Window
    items: pa.Table
    device: torch.device
    seed: int
    budget: Budget
    checkpoints: Path
    curve: Curve = field(default=no_curve)
    population: str = "all"
    expect: Callable[[int], None] = field(default=no_steps)
    cut: Callable[[str], None] = field(default=no_cut)
    users: pa.Table = field(default_factory=lambda: pa.table({}))
    training_set: Callable[[str], pa.Table] = field(default=no_training_set)
    policy_log: "Callable[[], PolicyLog]" = field(default=no_policy_log)
    feature_history: "Callable[[], FeatureHistory]" = field(default=no_feature_history)
    members: "Callable[[], dict[str, Ranker]]" = field(default=dict)
    sentence_encoder: Path | None = None
    parent: Parent | None = None

    def validate(self, score: Scorer) -> float:
        """Mean NDCG@10 of a scorer on the validation window; raises when over budget."""
        self.budget.check()
        return ndcg_at_10(score, self.window, self.population)
