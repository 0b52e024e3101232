"""Families that unlearn exactly: subtracting one user beside a fit without the user.

On the live snapshot, with the configuration and the budget of the main job. The user is the one of
median activity. A fit has its tuning on the validation window; nothing is evaluated.
"""

import time
from typing import Any

import numpy as np

from benchmarks.rows import grid, shown
from penchant.artifacts import Snapshot
from penchant.settings import Settings
from training.commands.train import context_for, interactions
from training.commands.unlearning import difference
from training.configs import config_for
from training.data.histories import Dataset, Histories, read_dataset
from training.data.split import split_by_time
from training.fitting.budget import Budget
from training.fitting.capabilities import Unlearns
from training.fitting.context import TrainingContext
from training.fitting.factory import make_ranker
from training.fitting.family import Ranker
from training.fitting.progress import Recorder
from training.names import UNLEARNS

TITLE = "Models that unlearn exactly"


def measure(settings: Settings, *, families: tuple[str, ...] = UNLEARNS) -> dict[str, Any]:
    snapshot = Snapshot.live(settings)
    dataset = read_dataset(snapshot)
    median = np.argsort(dataset.histories.lengths_U, kind="stable")[len(dataset.user_ids) // 2]
    gone_B = np.array([median])
    rest = dataset.histories.take(np.setdiff1d(np.arange(len(dataset.user_ids)), gone_B))
    rows = {}
    for name in families:
        whole, _ = _fitted(settings, snapshot, dataset, name, dataset.histories)
        refit, fit_seconds = _fitted(settings, snapshot, dataset, name, rest)
        before = difference(whole.state(), refit.state())
        started = time.process_time()
        assert isinstance(whole, Unlearns), f"{name} is not what training/names.py says"
        whole.tuned = dict(refit.tuned)
        split = split_by_time(dataset.histories)
        context = _context(settings, snapshot, dataset, name, dataset.histories)
        whole.unlearn(split, dataset.histories, gone_B, context)
        rows[name] = {
            "fit_seconds": fit_seconds,
            "unlearn_seconds": time.process_time() - started,
            "before": before,
            "after": difference(whole.state(), refit.state()),
        }
    return {
        "users": len(dataset.user_ids),
        "events": int(dataset.histories.lengths_U.sum()),
        "of_the_user": int(dataset.histories.lengths_U[median]),
        "families": rows,
    }


def page(figures: dict[str, Any]) -> str:
    rows = [
        [
            f"`{name}`",
            shown(row["fit_seconds"]),
            shown(row["unlearn_seconds"]),
            "other shape" if row["before"] is None else f"{row['before']:.1e}",
            f"{row['after']:.1e}",
        ]
        for name, row in figures["families"].items()
    ]
    return (
        f"One user with {figures['of_the_user']:,} events, of {figures['users']:,} users with "
        f"{figures['events']:,}. CPU seconds of a fit without the user, with its tuning, and of "
        "subtracting the user from the earlier model; the largest difference between the two "
        "models' values, relative to the largest of its array, before and after. It is near 1 "
        "where other values were tuned, or other items are frequent enough, without the user.\n\n"
        + grid(["family", "fit without", "subtract", "difference before", "and after"], rows)
    )


def _fitted(
    settings: Settings, snapshot: Snapshot, dataset: Dataset, name: str, histories: Histories
) -> tuple[Ranker, float]:
    """A family that has learned from users, and the CPU seconds."""
    family = make_ranker(name, config_for(settings, name))
    context = _context(settings, snapshot, dataset, name, histories)
    started = time.process_time()
    family.fit(split_by_time(histories), context)
    family.observe(histories)
    return family, time.process_time() - started


def _context(
    settings: Settings, snapshot: Snapshot, dataset: Dataset, name: str, histories: Histories
) -> TrainingContext:
    recorder = Recorder(name, Budget.of(settings, interactions(snapshot)))
    split = split_by_time(histories)
    return context_for(settings, snapshot, dataset, split, recorder, f"{name}-benchmark")
