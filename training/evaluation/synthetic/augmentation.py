"""Whether made-up histories are worth learning from: a ranker and a classifier of interests, each
taught by real histories alone and by real and made-up ones, and asked about the same users."""

from dataclasses import asdict, replace

import numpy as np
import torch
from torch.nn import functional as F

from training.data.histories import Histories, joined
from training.data.interest_labels import cut_points, find_interests, known
from training.data.split import Split
from training.evaluation.metrics.full_ranking import evaluate_window
from training.evaluation.metrics.intervals import FloatArray, bootstrap
from training.families import ease
from training.fitting.context import TrainingContext
from training.fitting.progress import no_curve
from training.layers.probe import habits, regressed

Comparison = dict[str, dict[str, float]]
"""``real``, ``augmented`` and the paired ``difference``: means with intervals over users."""


def ranking(
    split: Split,
    made: Histories,
    config: ease.Config,
    users: int,
    context: TrainingContext,
    seed: int,
) -> Comparison:
    """NDCG@10 of ``ease`` on the test window, of at most so many of its users."""
    judged = split.test.evaluated()
    rows = np.random.default_rng(seed).permutation(len(judged.histories))[:users]
    window = judged.take(np.sort(rows))
    few = replace(context, window=window.take(np.arange(1)), curve=no_curve)

    def taught_by(train: Histories) -> FloatArray:
        family = ease.Model(config)
        family.fit(Split(train, split.validation, split.test), few)
        return evaluate_window(family.scores, window, ("all",))["all"].values["ndcg@10"]

    return compared(taught_by(split.train), taught_by(joined(split.train, made)), seed)


def classifying(
    split: Split, made: Histories, context: TrainingContext, seed: int, cuts: int
) -> Comparison:
    """Log loss, in nats an interest, of a logistic regression on habits, on the test window.

    Raises DataError where the catalogue has no interests to tell apart.
    """
    interests = find_interests(context.items, split.train)
    interest_I = torch.from_numpy(interests.interest_I)
    window = known(split.test)
    asked_UF = habits(window.histories, interest_I, len(interests))
    label_UC = torch.from_numpy(interests.acted_on(window.targets)).float()

    def taught_by(train: Histories) -> FloatArray:
        windows = cut_points(train, cuts)
        read_NF = torch.cat([habits(one.histories, interest_I, len(interests)) for one in windows])
        acted_NC = torch.from_numpy(
            np.concatenate([interests.acted_on(one.targets) for one in windows])
        ).float()
        mean_F, scale_F = read_NF.mean(dim=0), read_NF.std(dim=0).clamp(min=1e-3)
        rate_C = torch.logit(acted_NC.mean(dim=0).clamp(1e-4, 1 - 1e-4))
        weight_FC, bias_C = regressed((read_NF - mean_F) / scale_F, acted_NC, rate_C)
        logits_UC = (asked_UF - mean_F) / scale_F @ weight_FC + bias_C + rate_C
        loss_UC = F.binary_cross_entropy_with_logits(logits_UC, label_UC, reduction="none")
        return loss_UC.mean(dim=1).double().numpy()

    return compared(taught_by(split.train), taught_by(joined(split.train, made)), seed)


def compared(real_U: FloatArray, augmented_U: FloatArray, seed: int) -> Comparison:
    columns = {"real": real_U, "augmented": augmented_U, "difference": augmented_U - real_U}
    return {name: asdict(bootstrap(values_U, seed)) for name, values_U in columns.items()}
