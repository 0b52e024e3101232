"""Membership inference against synthetic histories: do they reveal whom they were learned from.

This needs users that the generator has not seen. So another generator of the same family learns
from some users, the members, and is compared with as many others, the non-members. It takes a share
of the run's steps, on so few users that it sees each event at least as often as the run does, so it
memorizes more.
"""

from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from training.data.histories import Histories
from training.data.split import Split
from training.evaluation.metrics.intervals import bootstrap
from training.evaluation.synthetic.two_sample_test import cosine, two_sample_auc
from training.fitting.capabilities import Generates
from training.fitting.context import TrainingContext
from training.fitting.family import Family
from training.fitting.progress import no_curve, no_steps
from training.fitting.trainer import TrainerConfig
from training.layers.generation.deduplication import fingerprints


@dataclass(frozen=True)
class PrivacyConfig:
    """``users``: most members and most non-members; ``made``: most histories; ``steps``: share of
    the run's steps."""

    users: int = 200
    made: int = 100
    steps: float = 1 / 6
    tuning_users: int = 50


def copied(made: Histories, real: Histories) -> int:
    """Number of synthetic histories with the items of a real one in the same order."""
    return int(np.isin(fingerprints(made), fingerprints(real)).sum())


def membership(
    family: Family, split: Split, config: PrivacyConfig, context: TrainingContext, seed: int
) -> dict[str, Any]:
    """``membership_auc``: probability that a member's nearest synthetic history is nearer than a
    non-member's; 0.5 reveals nothing. ``nearest_ratio``: distance of a synthetic history to the
    nearest member over that to the nearest non-member; 1 reveals nothing. Distances are 1 - cosine.
    Empty with fewer than ten members. Raises DataError when all that is generated is a real user's.
    """
    train = split.train
    known = np.random.default_rng(seed).permutation(np.flatnonzero(train.lengths_U))
    count = min(config.users, len(known) // 2)
    if count < 10:
        return {}
    members, others = (
        train.take(np.sort(rows)) for rows in (known[:count], known[count : 2 * count])
    )
    generator = fitted_on_members(family, replace(split, train=members), config, context)
    made = generator.generate(min(config.made, count), seed)
    to_members, to_others = (1 - cosine(made, real) for real in (members, others))
    near = two_sample_auc(-to_members.min(axis=0), -to_others.min(axis=0), seed)
    ratio_M = to_members.min(axis=1) / np.maximum(to_others.min(axis=1), 1e-9)
    return {
        "members": count,
        "membership_auc": asdict(near),
        "nearest_ratio": asdict(bootstrap(ratio_M, seed)),
        "copies": copied(made, members),
    }


def fitted_on_members(
    family: Family, split: Split, config: PrivacyConfig, context: TrainingContext
) -> Generates:
    """The same family and config with fewer steps, fitted on ``split.train``."""
    other = type(family)(shortened(family.config, config.steps))
    few = context.window.take(np.arange(min(config.tuning_users, len(context.window.histories))))
    reduced = replace(
        context,
        window=few,
        checkpoints=context.checkpoints / "members",
        curve=no_curve,
        expect=no_steps,
    )
    assert isinstance(other, Generates)
    other.fit_generator(split, reduced)
    return other


def shortened(config: Any, share: float) -> Any:
    """A config in which every trainer takes this share of its steps."""
    if isinstance(config, TrainerConfig):
        return config.shortened(max(1, round(share * config.steps)))
    inner = {field.name: getattr(config, field.name) for field in fields(config)}
    changed = {
        name: shortened(value, share) for name, value in inner.items() if is_dataclass(value)
    }
    return replace(config, **changed)
