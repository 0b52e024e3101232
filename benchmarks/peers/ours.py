"""Ours, run as the peers are: seconds of an epoch, a sweep or a solve, then of ranking all users.

With ``goal`` in SETTINGS: train until this validation NDCG@10 is reached. Families have the
reference config of the table except for the size. While epochs are timed nothing is validated.
"""

import logging
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import peer
import structlog
import torch

from training.commands.published_tables import Table
from training.configs import published
from training.data.split import Split
from training.evaluation.metrics.full_ranking import Scorer, rank
from training.families import ease
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.fitting.factory import make
from training.fitting.trainer import TrainerConfig
from training.layers.sequences.windows import Windows

RANKED = 10
NEVER = 10**9
SECONDS, MEMORY_MB = 3600.0, 20_000
VALIDATIONS_AN_EPOCH = 4  # with a goal


class Reached(Exception):
    """The goal is reached."""


@dataclass(frozen=True)
class Evaluator(TrainingContext):
    """A context that records the time of each validation and ends a fit at its ``goal``.

    Without a goal nothing is evaluated. Seconds count from the start of the fit, set-up included,
    without those of validations.
    """

    goal: float | None = None
    curve_seen: list[tuple[float, float]] = field(default_factory=list)
    validating: list[float] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    @property
    def fitted(self) -> float:
        return time.perf_counter() - self.started - sum(self.validating)

    def validate(self, score: Scorer) -> float:
        called = time.perf_counter()
        seconds = self.fitted
        found = 0.0 if self.goal is None else super().validate(score)
        self.curve_seen.append((seconds, found))
        self.validating.append(time.perf_counter() - called)
        if self.goal is not None and found >= self.goal:
            raise Reached
        return found


def main() -> None:
    name, data, settings = peer.arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    torch.set_num_threads(settings["threads"])
    table = Table(Path(sys.argv[2]).parent, "beauty")
    split = table.split()
    if name == "ease":
        time_ease(split, settings)
        return
    family, config_of = MODELS[name]
    config = config_of(published("beauty", family), settings, split)
    items = table.items(split.train.item_count)
    model = make(family, config)
    seconds: list[float] = []
    for repeat in range(settings["repeats"]):

        def fit(model: Any, seed: int = repeat) -> Evaluator:
            with tempfile.TemporaryDirectory(prefix="penchant-ours-") as folder:
                context = Evaluator(
                    split.validation.take(np.array(data.evaluated_users)),
                    items,
                    torch.device("cpu"),
                    seed,
                    Budget(SECONDS, MEMORY_MB),
                    Path(folder),
                    population="new",
                    goal=settings.get("goal"),
                )
                with suppress(Reached):
                    model.fit(split, context)
            return context

        context = fit(model)
        if context.goal is not None:
            peer.finish("penchant", [context.fitted], curve=context.curve_seen)
            return
        moments = [moment for moment, _ in context.curve_seen]
        if len(moments) > 2:
            seconds += np.diff(moments).tolist()
        else:  # validated at its end alone: an epoch is the difference to a shorter fit
            once = fit(make(family, replace(config, epochs=1)))
            seconds.append((context.fitted - once.fitted) / (config.epochs - 1))
    peer.finish("penchant", seconds, ranking=rankings(model, split, settings["repeats"]))


def rankings(model: Any, split: Split, repeats: int) -> list[float]:
    """Seconds of scoring all users and finding the best items that each did not have."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        rank(model.scores, split.validation, RANKED, ("new",))
        seconds.append(time.perf_counter() - started)
    return seconds


def transformer(config: Any, settings: dict[str, Any], split: Split) -> Any:
    """Epochs validated at their ends; with a goal the table's own run, validated more often. Size
    and dropout are the peers'."""
    learning = config.learning
    windows = replace(learning.windows, length=settings["length"])
    planned = Windows(split.train, windows, 0, torch.device("cpu"))
    steps = planned.steps_for(1)
    if "goal" in settings:
        run = learning.trainer.shortened(planned.steps_for(learning.epochs))
        trainer = replace(run, validate_every=max(1, steps // VALIDATIONS_AN_EPOCH), patience=NEVER)
    else:
        learning = replace(learning, epochs=settings["epochs"] + 1)
        trainer = epochs_of(learning.trainer, steps, settings["epochs"])
    return replace(
        config,
        dimensions=settings["dimensions"],
        layers=settings["layers"],
        heads=settings["heads"],
        dropout=settings["dropout"],
        learning=replace(learning, windows=windows, trainer=trainer),
    )


def whole_softmax(config: Any, settings: dict[str, Any], split: Split) -> Any:
    """As the peers: a softmax over all items, no tags, and as many events a batch as theirs."""
    a_batch = int(settings["batch"] * len(split.train.items_N) / len(split.train))
    windows = replace(config.learning.windows, events_a_batch=a_batch)
    learning = replace(config.learning, windows=windows, negatives=0, tags=False)
    return transformer(replace(config, learning=learning), settings, split)


def vae(config: Any, settings: dict[str, Any], split: Split) -> Any:
    """An epoch is as many rows as there are users; ours may draw several rows of one."""
    steps = -(-len(split.train) // settings["batch"])
    return replace(
        config,
        dimensions=settings["dimensions"],
        epochs=NEVER,
        cuts=replace(config.cuts, length=settings["length"], users_a_batch=settings["batch"]),
        trainer=epochs_of(config.trainer, steps, settings["epochs"]),
    )


def epochs_of(trainer: TrainerConfig, steps: int, epochs: int) -> TrainerConfig:
    """So many epochs of so many steps, each validated at its end."""
    return replace(trainer, steps=steps * epochs, validate_every=steps, patience=NEVER)


def als(config: Any, settings: dict[str, Any], split: Split) -> Any:
    return replace(
        config,
        solver="als",
        dimensions=settings["dimensions"],
        sweeps=settings["epochs"] + 1,
        min_buyers=1,
    )


def bpr(config: Any, settings: dict[str, Any], split: Split) -> Any:
    return replace(als(config, settings, split), solver="bpr", regularization=0.01)


def word2vec(config: Any, settings: dict[str, Any], split: Split) -> Any:
    return replace(
        config,
        dimensions=settings["dimensions"],
        window=settings["window"],
        window_days=float(settings["window"]),  # a step is a day in these files
        negatives=settings["negatives"],
        epochs=settings["epochs"] + 1,
    )


def time_ease(split: Split, settings: dict[str, Any]) -> None:
    """The solve alone, which is all that the peers do."""
    entries = split.train.matrix(split.train.weights_N)
    seconds = []
    for _ in range(settings["repeats"]):
        started = time.perf_counter()
        ease.solve(ease.gram(entries), settings["regularization"])
        seconds.append(time.perf_counter() - started)
    peer.finish("penchant", seconds)


MODELS: dict[str, tuple[str, Callable[[Any, dict[str, Any], Split], Any]]] = {
    "als": ("matrix_factorization", als),
    "bpr": ("matrix_factorization", bpr),
    "word2vec": ("word2vec", word2vec),
    "vae": ("vae", vae),
    "sasrec": ("sasrec", transformer),
    "sasrec-whole": ("sasrec", whole_softmax),
    "bert4rec": ("bert4rec", transformer),
    "bert4rec-whole": ("bert4rec", whole_softmax),
}

if __name__ == "__main__":
    main()
