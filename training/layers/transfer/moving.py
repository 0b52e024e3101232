"""A transfer from end to end: trunk, target, the compared methods, and the guard's decisions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from training.data import catalogue
from training.data.histories import Histories, IntArray
from training.data.split import Split, Window
from training.evaluation.metrics.full_ranking import Scorer
from training.evaluation.metrics.intervals import Interval, bootstrap
from training.fitting.capabilities import TransferDecision
from training.fitting.context import TrainingContext
from training.layers.popularity import popularity
from training.layers.sequences.next_item import NextItem
from training.layers.transfer.adaptation import (
    ADAPTERS,
    FULL,
    AdaptationConfig,
    InitialLayers,
    TransferredModel,
    adapt,
    closed_form_start,
)
from training.layers.transfer.domains import Domains
from training.layers.transfer.guard import POPULARITY, SCRATCH, TRANSFER, Values, decide
from training.layers.transfer.target import (
    Keep,
    Target,
    cached_scorer,
    thinned,
    tuning_and_guard_halves,
)

POPULARITY_DAYS = 90.0
LEAST_EVENTS = 50  # for a point of a curve
CURVE_USERS = 300  # of the tuning window, that a point's methods are tuned on


@dataclass(frozen=True)
class TrainedMethods:
    """The fitted methods that rank a target's items. ``moved``: by adapters, from ``start``."""

    target: Target
    start: InitialLayers
    moved: TransferredModel
    scratch: NextItem
    popularity_J: torch.Tensor
    tuned: dict[str, float]

    def scorers(self) -> dict[str, Scorer]:
        """By name, each from histories of all items to scores_BJ."""
        return {
            TRANSFER: self.moved.scores,
            SCRATCH: lambda batch: self.scratch.scores(self.target.alone(batch)),
            POPULARITY: lambda batch: self.popularity_J.repeat(len(batch), 1),
        }


def of_source(split: Split, domains: Domains) -> Split:
    """The events of the source's items; without the test window."""
    source_I = domains.domain_I == 0

    def keep(histories: Histories) -> Histories:
        return histories.only(source_I[histories.items_N])

    window = Window(keep(split.validation.histories), keep(split.validation.targets))
    return Split(keep(split.train), window, window)


def target_of(
    split: Split, items: pa.Table, domains: Domains, names: Sequence[str], keep: Keep | None = None
) -> tuple[Target, Window]:
    """The categories of these names as one target, and the window of the guard.

    ``keep``: filters the histories. Raises DataError when no event of the target is left.
    """
    items_J = domains.items_of(*names)
    keep = keep or _all
    known = Window(keep(split.validation.histories), split.validation.targets)
    tuning, guarding = tuning_and_guard_halves(known, items_J)
    train = keep(split.train)
    is_source_N = domains.domain_I[train.items_N] == 0
    is_target_N = np.isin(train.items_N, items_J)
    target = Target(
        items_J,
        train.only(is_source_N),
        train.only(is_target_N),
        train.only(is_source_N | is_target_N),
        tuning,
        catalogue.tags(items)[items_J],
    )
    return target, guarding


def train_methods(
    trunk: NextItem,
    scratch: NextItem,
    target: Target,
    config: AdaptationConfig,
    context: TrainingContext,
) -> TrainedMethods:
    """Adapt the trunk by adapters, and fit ``scratch`` on the target alone."""
    start = closed_form_start(trunk, target, config, context)
    moved, progress = adapt(trunk, target, start, ADAPTERS, config, _beside(context, ADAPTERS))
    learned(scratch, target, context)
    shares_J = popularity(target.alone(target.wanted), POPULARITY_DAYS)
    tuned = {"moving_steps": progress.best_step, "scratch_steps": scratch.tuned["steps"]}
    return TrainedMethods(target, start, moved, scratch, torch.from_numpy(shares_J), tuned)


def learned(scratch: NextItem, target: Target, context: TrainingContext) -> None:
    """Fit a model on the target alone, in place."""
    split = target.split()
    scratch.fit(split, replace(_beside(context, SCRATCH), window=split.validation))


def decisions(
    found: TrainedMethods, guarding: Window, domains: Domains, names: Sequence[str], seed: int
) -> list[TransferDecision]:
    """The guard's decision for each of the categories of a target."""
    window = {"tuning": found.target.window, "guarding": guarding}
    scores = {
        (name, which): cached_scorer(score, window[which])
        for name, score in found.scorers().items()
        for which in window
    }
    made = []
    for category in names:
        place_J = np.flatnonzero(np.isin(found.target.items_J, domains.items_of(category)))
        part = replace(found.target, items_J=found.target.items_J[place_J])

        def values(which: str, part: Target = part, place_J: IntArray = place_J) -> Values:
            return {
                name: part.values(_columns(scores[name, which], place_J), window[which])
                for name in (TRANSFER, SCRATCH, POPULARITY)
            }

        made.append(decide(category, values("tuning"), values("guarding"), seed))
    return made


@dataclass(frozen=True)
class CurvePoint:
    """NDCG@10 of the target's items on a window, of one method trained on a share of the target."""

    share: float
    way: str
    events: int
    ndcg: Interval


def curve(
    trunk: NextItem,
    scratch: Any,
    shares: Sequence[float],
    split: Split,
    items: pa.Table,
    domains: Domains,
    config: AdaptationConfig,
    context: TrainingContext,
) -> list[CurvePoint]:
    """Each method on the test window, trained on shares of the target's events.

    ``scratch``: makes an unfitted model. Events outside a share are neither trained on nor read; a
    share of too few events is left out. Evaluated on all users with an event of the target.
    """
    names, points = domains.targets, []
    for share in shares:
        keep = thinned(domains.items_of(*names), share, context.seed)
        known = keep(split.train)
        if np.isin(known.items_N, domains.items_of(*names)).sum() < LEAST_EVENTS:
            continue
        target, _ = target_of(split, items, domains, names, keep)
        rows = np.random.default_rng(context.seed).permutation(len(target.window.histories))
        few = target.window.take(np.sort(rows[:CURVE_USERS]))
        target = replace(target, window=few)
        test = Window(keep(split.test.histories), split.test.targets)
        there = _beside(context, f"share-{share}")
        found = train_methods(trunk, scratch(), target, config, there)
        full, _ = adapt(trunk, target, found.start, FULL, config, _beside(there, FULL))
        scorers = {**found.scorers(), FULL: full.scores}
        points += [
            CurvePoint(
                share,
                way,
                len(target.wanted.items_N),
                bootstrap(target.values(score, test), context.seed),
            )
            for way, score in scorers.items()
        ]
    return points


def _beside(context: TrainingContext, name: str) -> TrainingContext:
    """The same context with checkpoints of its own."""
    return replace(context, checkpoints=context.checkpoints / name)


def _all(histories: Histories) -> Histories:
    return histories


def _columns(score: Scorer, place_J: IntArray) -> Scorer:
    return lambda batch: score(batch)[:, torch.from_numpy(place_J)]
