"""Evaluation of families that generate histories: utility, two-sample test, diversity, privacy.

Synthetic histories end with the training data, so models may learn from both together.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from penchant.errors import DataError
from training.data.histories import Histories, IntArray
from training.evaluation.context import EvaluationContext, Figures
from training.evaluation.synthetic.augmentation import Comparison, classifying, ranking
from training.evaluation.synthetic.privacy import PrivacyConfig, copied, membership
from training.evaluation.synthetic.ridge_ranker import RankerConfig
from training.evaluation.synthetic.two_sample_test import discriminability, diversity
from training.fitting.capabilities import Generates
from training.fitting.family import Family


@dataclass(frozen=True)
class Config:
    """``made``: most histories to generate, at most as many as there are real ones. ``ranker``: the
    model that learns from them; ``users``: most users that it is evaluated on. ``cuts``: windows
    that the classifier learns from."""

    made: int = 150
    users: int = 400
    cuts: int = 3
    ranker: RankerConfig = field(default_factory=RankerConfig)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)


def evaluate(family: Family, context: EvaluationContext, config: Config | None = None) -> Figures:
    """``missing`` where no history can be generated.

    ``utility``: NDCG@10 of a ranker and log loss of a classifier. ``diversity``: of the synthetic
    and of as many real histories. ``privacy``: see privacy.py.
    """
    assert isinstance(family, Generates)
    config = config or Config()
    split, training, seed = context.split, context.training, context.seed
    known = np.flatnonzero(split.train.lengths_U)
    sampled = np.random.default_rng(seed).permutation(known)[: config.made]
    real = split.train.take(np.sort(sampled))
    try:
        made = family.generate(len(real), seed)
        rejected = family.rejected
        privacy = membership(family, split, config.privacy, training, seed)
    except DataError as error:
        return {"headline": "", "missing": error.cause, "remedy": error.remedy}
    training.budget.check()
    category_I = first_categories(context.dataset.items)
    figures = {
        "config": asdict(config),
        "histories": len(made),
        "utility": utility(made, context, config),
        "two_sample_auc": discriminability(real, made, category_I, seed),
        "diversity": {
            "synthetic": diversity(made, category_I),
            "real": diversity(real, category_I),
        },
        "privacy": {
            **privacy,
            "copies": copied(made, split.train) + privacy.get("copies", 0),
            "rejected": rejected,
        },
    }
    return figures | {"headline": headline(figures)}


def utility(made: Histories, context: EvaluationContext, config: Config) -> dict[str, Comparison]:
    """By task; without the classifier where the catalogue has no interests."""
    found = {"ranking": ranking(context.split, made, config.ranker, config.users, context.seed)}
    with suppress(DataError):  # reported by the evaluator of interests
        found["interests"] = classifying(
            context.split, made, context.training, context.seed, config.cuts
        )
    return found


def first_categories(items: pa.Table) -> IntArray:
    """category_I of the tree's first level; one for all where there is none."""
    if "category_1" not in items.column_names:
        return np.zeros(len(items), np.int64)
    names = items["category_1"].fill_null("").to_pylist()
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def headline(figures: dict[str, Any]) -> str:
    """The figures in a few words."""
    ranked = figures["utility"]["ranking"]["difference"]
    helps = "help" if ranked["low"] > 0 else "harm" if ranked["high"] < 0 else "do not help"
    parts = [f"synthetic histories {helps} a ranker: NDCG@10 {_signed(ranked)}"]
    if two_sample := figures["two_sample_auc"]:
        parts.append(f"two-sample AUC {_plain(two_sample['all'])}")
    if "membership_auc" in figures["privacy"]:
        parts.append(f"membership AUC {_plain(figures['privacy']['membership_auc'])}")
    return ", ".join([*parts, f"{figures['privacy']['copies']} copies"])


def _signed(interval: dict[str, float]) -> str:
    return f"{interval['mean']:+.4f} [{interval['low']:+.4f}, {interval['high']:+.4f}]"


def _plain(interval: dict[str, float]) -> str:
    return f"{interval['mean']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"
