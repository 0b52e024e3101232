"""Utility of synthetic histories as augmentation: a ranker and a classifier of interests, each
trained on real histories alone and on real and synthetic ones, evaluated on the same users."""

from dataclasses import asdict

import numpy as np
import torch
from torch.nn import functional as F

from training.data.histories import Histories, joined
from training.data.interest_labels import cut_points, find_interests, known
from training.data.split import Split
from training.evaluation.metrics.full_ranking import evaluate_window
from training.evaluation.metrics.intervals import FloatArray, bootstrap
from training.evaluation.synthetic.ridge_ranker import (
    RankerConfig,
    RidgeRanker,
    Sums,
    frequent_items,
    sums_of,
)
from training.fitting.context import TrainingContext
from training.layers.probe import habits, regressed

Examples = list[tuple[torch.Tensor, torch.Tensor]]
"""Features and labels of users at each cut point."""
Comparison = dict[str, dict[str, float]]
"""``real``, ``augmented`` and the paired ``difference``: means with intervals over users."""


def ranking(
    split: Split, made: Histories, config: RankerConfig, users: int, seed: int
) -> Comparison:
    """NDCG@10 of a ridge regression on the test window, on a sample of at most ``users``."""
    evaluated = split.test.evaluated()
    rows = np.random.default_rng(seed).permutation(len(evaluated.histories))[:users]
    window = evaluated.take(np.sort(rows))
    items_J = frequent_items(split.train, config.most_items)
    real, synthetic = (sums_of(one, items_J, config) for one in (split.train, made))

    def trained_on(sums: Sums, train: Histories) -> FloatArray:
        ranker = RidgeRanker.of(config, items_J, sums, train)
        return evaluate_window(ranker.scores, window, ("all",))["all"].values["ndcg@10"]

    return compared(
        trained_on(real, split.train),
        trained_on(real + synthetic, joined(split.train, made)),
        seed,
    )


def classifying(
    split: Split, made: Histories, context: TrainingContext, seed: int, cuts: int
) -> Comparison:
    """Log loss, in nats per interest, of a logistic regression on habits, on the test window.

    Raises DataError where the catalogue has fewer than two interests.
    """
    interests = find_interests(context.items, split.train)
    interest_I = torch.from_numpy(interests.interest_I)
    window = known(split.test)
    features_UF = habits(window.histories, interest_I, len(interests))
    label_UC = torch.from_numpy(interests.acted_on(window.targets)).float()

    def examples(train: Histories) -> Examples:
        windows = cut_points(train, cuts)
        return [
            (
                habits(one.histories, interest_I, len(interests)),
                torch.from_numpy(interests.acted_on(one.targets)).float(),
            )
            for one in windows
        ]

    def trained_on(found: Examples) -> FloatArray:
        features_NF, label_NC = (torch.cat(parts) for parts in zip(*found, strict=True))
        mean_F, scale_F = features_NF.mean(dim=0), features_NF.std(dim=0).clamp(min=1e-3)
        rate_C = torch.logit(label_NC.mean(dim=0).clamp(1e-4, 1 - 1e-4))
        weight_FC, bias_C = regressed((features_NF - mean_F) / scale_F, label_NC, rate_C)
        logits_UC = (features_UF - mean_F) / scale_F @ weight_FC + bias_C + rate_C
        loss_UC = F.binary_cross_entropy_with_logits(logits_UC, label_UC, reduction="none")
        return loss_UC.mean(dim=1).double().numpy()

    real = examples(split.train)
    return compared(trained_on(real), trained_on([*real, *examples(made)]), seed)


def compared(real_U: FloatArray, augmented_U: FloatArray, seed: int) -> Comparison:
    columns = {"real": real_U, "augmented": augmented_U, "difference": augmented_U - real_U}
    return {name: asdict(bootstrap(values_U, seed)) for name, values_U in columns.items()}
