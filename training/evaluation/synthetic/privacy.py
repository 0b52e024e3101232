"""Whether made-up histories give away whose they were learned from.

What was learned from everybody can't be asked this: there must be users whom the generator has
not seen. So a generator of the same kind is taught by some users, the members, and asked about
them and as many others, the strangers. It takes a share of the run's steps, and so few users
that each of their events is met at least as often as in the run, which makes it remember more.
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
    """``users`` of each kind and ``made`` histories, at most; ``steps``: share of the run's."""

    users: int = 400
    made: int = 300
    steps: float = 1 / 3
    tuning_users: int = 50


def copied(made: Histories, real: Histories) -> int:
    """How many made-up histories are a real user's, item for item in the same order."""
    return int(np.isin(fingerprints(made), fingerprints(real)).sum())


def remembered(
    family: Family, split: Split, config: PrivacyConfig, context: TrainingContext, seed: int
) -> dict[str, Any]:
    """``membership_auc``: the chance that a member's history is more like a made-up one than a
    stranger's is: 0.5 where nothing is given away. ``nearest_ratio``: how far a made-up history is
    from the nearest member beside how far from the nearest stranger: 1 where it is no nearer to
    whom it was learned from. Distances are 1 - cosine. Empty with fewer than ten users of a
    kind. Raises DataError when nothing can be made up that is not somebody's.
    """
    train = split.train
    known = np.random.default_rng(seed).permutation(np.flatnonzero(train.lengths_U))
    count = min(config.users, len(known) // 2)
    if count < 10:
        return {}
    members, strangers = (
        train.take(np.sort(rows)) for rows in (known[:count], known[count : 2 * count])
    )
    taught = taught_anew(family, replace(split, train=members), config, context)
    made = taught.generate(min(config.made, count), seed)
    to_members, to_strangers = (1 - cosine(made, real) for real in (members, strangers))
    near = two_sample_auc(-to_members.min(axis=0), -to_strangers.min(axis=0), seed)
    ratio_M = to_members.min(axis=1) / np.maximum(to_strangers.min(axis=1), 1e-9)
    return {
        "members": count,
        "membership_auc": asdict(near),
        "nearest_ratio": asdict(bootstrap(ratio_M, seed)),
        "copies": copied(made, members),
    }


def taught_anew(
    family: Family, split: Split, config: PrivacyConfig, context: TrainingContext
) -> Generates:
    """A family of the same kind and config, but for the steps, fitted on ``split.train``."""
    other = type(family)(shortened(family.config, config.steps))
    few = context.window.take(np.arange(min(config.tuning_users, len(context.window.histories))))
    apart = replace(
        context,
        window=few,
        checkpoints=context.checkpoints / "taught-anew",
        curve=no_curve,
        expect=no_steps,
    )
    other.fit(split, apart)
    assert isinstance(other, Generates)
    return other


def shortened(config: Any, share: float) -> Any:
    """A config in which whatever is trained takes this share of its steps."""
    if isinstance(config, TrainerConfig):
        return config.shortened(max(1, round(share * config.steps)))
    inner = {field.name: getattr(config, field.name) for field in fields(config)}
    changed = {
        name: shortened(value, share) for name, value in inner.items() if is_dataclass(value)
    }
    return replace(config, **changed)
