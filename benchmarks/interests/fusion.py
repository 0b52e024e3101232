"""Fusion against its best member, user by user: on the live snapshot and on Amazon Beauty.

The members' runs are made once and kept under the home; only fusion is fitted for each seed. The
best member is the one that validated best. On Beauty the protocol is that of benchmarks/quality.py.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.fitting import training_context
from benchmarks.processes import isolated
from benchmarks.quality import FAMILIES_OF
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.errors import UsageError
from penchant.settings import Settings
from training.commands.published_tables import Table, loaded
from training.commands.published_tables import run as published_run
from training.commands.published_tables import run_id as published_run_id
from training.commands.train import member_runs, members
from training.commands.train import train as trained_run
from training.configs import main_job, published
from training.data.histories import read_dataset
from training.data.split import Split, split_by_time
from training.evaluation.metrics.full_ranking import evaluate_window
from training.evaluation.metrics.intervals import bootstrap
from training.families.fusion import Config, Model
from training.fitting.budget import Budget
from training.fitting.family import Ranker
from training.names import RANKERS

TITLE = "Fused interests"
SEEDS = (0, 1, 2)
MAIN, BEAUTY = "main data", "Beauty"
NAMES = {"stack": "stack", "gate": "gate alone"}
HEAD = """`fusion` combines the runs of other families: it keeps the members whose lists add up
best, and a small network weighs their scores beside the user's own habit with an item. It is
fitted on at most half of the validation users; figures are of the test window. The best member
is the one that validated best; the gain over it is paired, user by user, of the mean over
{seeds} seeds of fusion on the same members. The gate needs no members: behaviour, content,
profile and context in one vector; one seed.
"""


@dataclass(frozen=True)
class FusionData:
    """Data that fusion is fitted and evaluated on. ``best``: the best member on validation."""

    split: Split
    items: Any
    users: Any
    config: Config
    best: str
    members: Callable[[], dict[str, Ranker]]
    populations: tuple[str, ...]


def measure(settings: Settings) -> dict[str, Any]:
    if settings.published_data is None:
        raise UsageError(
            "PENCHANT_PUBLISHED_DATA is not set: fusion is measured on Beauty too",
            "set it to the folder with Beauty.txt",
        )
    snapshot, data = Snapshot.live(settings), settings.published_data
    for family in RANKERS:
        if family not in member_runs(settings, snapshot.id):
            isolated("interests.fusion:fit_on_main_data", family=family)
    for family, run in _beauty_runs(settings, data).items():
        if not run.exists():
            isolated("interests.fusion:fit_on_beauty", family=family, data=str(data))
    rows = []
    for name, mode in ((MAIN, "stack"), (BEAUTY, "stack"), (MAIN, "gate")):
        arguments = {"data": name, "mode": mode, "published_data": str(data)}
        found = [
            isolated("interests.fusion:fused", seed=seed, **arguments).value
            for seed in (SEEDS if mode == "stack" else SEEDS[:1])
        ]
        rows += [row | {"mode": mode} for row in _rows(name, found)]
    return {"rows": rows}


def page(figures: dict[str, Any]) -> str:
    rows = [
        [
            NAMES[row["mode"]],
            row["data"],
            row["population"],
            f"`{row['best']}`",
            interval(row["member"]),
            interval(row["fusion"]),
            f"{min(row['by_seed']):.4f} to {max(row['by_seed']):.4f}",
            interval(row["gain"], sign="+"),
            f"{row['seconds']:.0f}",
            f"{row['ms_per_user']:.1f}",
        ]
        for row in figures["rows"]
    ]
    head = ["mode", "data", "items", "best member", "its NDCG@10", "fusion's NDCG@10", "seeds"]
    lines = [HEAD.format(seeds=len(SEEDS)), grid([*head, "gain", "fit, s", "ms a user"], rows)]
    lines += ["", "Members kept, best first, by seed:", ""]
    for data in (MAIN, BEAUTY):
        kept = next(row["kept"] for row in figures["rows"] if row["data"] == data)
        lines.append(f"- {data}: " + "; ".join(", ".join(f"`{n}`" for n in one) for one in kept))
    verdicts = [
        f"- The {NAMES[row['mode']]}, {row['data']}, {row['population']} items: the gain over the "
        f"best member is {'' if row['gain']['low'] > 0 else 'not '}statistically significant."
        for row in figures["rows"]
    ]
    return "\n".join([*lines, "", *verdicts])


def fit_on_main_data(family: str) -> None:
    trained_run(Settings(), Snapshot.live(Settings()).id, family)


def fit_on_beauty(family: str, data: str) -> None:
    published_run(Table(Path(data), "beauty"), family, 0, Settings().home / "published")


def fused(
    data: str, seed: int, mode: Literal["stack", "gate"], published_data: str
) -> dict[str, Any]:
    """Fusion and its best member on the test window, each user's NDCG@10."""
    settings = Settings()
    of = _main_data(settings) if data == MAIN else _beauty(settings, Path(published_data))
    model, budget = Model(replace(of.config, mode=mode)), Budget(3600, 12_000)
    fields = {"population": of.populations[0], "users": of.users, "members": of.members}
    with training_context(of.split.validation, of.items, seed, budget, **fields) as context:
        model.fit(of.split, context)
    seconds = budget.spent
    ndcg: dict[str, dict[str, list[float]]] = {}
    for name, family in (("fusion", model), ("member", of.members()[of.best])):
        family.observe(of.split.test.histories)
        found = evaluate_window(family.scores, of.split.test, of.populations)
        ndcg[name] = {each: found[each].values["ndcg@10"].tolist() for each in of.populations}
    took = budget.spent - seconds
    return {
        "best": of.best,
        "kept": list(getattr(model, "members", [])),
        "tuned": model.tuned,
        "seconds": round(seconds, 1),
        "ms_per_user": round(1000 * took / len(of.split.test.evaluated().histories), 2),
        **ndcg,
    }


def _main_data(settings: Settings) -> FusionData:
    snapshot = Snapshot.live(settings)
    dataset = read_dataset(snapshot)
    runs = {
        name: _record(settings.runs / snapshot.id / run)
        for name, run in member_runs(settings, snapshot.id).items()
    }
    ndcg = {name: run["validation_metrics"]["all"]["ndcg@10"]["mean"] for name, run in runs.items()}
    return FusionData(
        split_by_time(dataset.histories),
        dataset.items,
        dataset.users,
        main_job("fusion"),
        max(ndcg, key=ndcg.__getitem__),
        lambda: members(settings, snapshot),
        ("all", "new"),
    )


def _beauty(settings: Settings, data: Path) -> FusionData:
    table, runs = Table(data, "beauty"), _beauty_runs(settings, data)
    split = table.split()
    ndcg = {name: _record(path)["validation"]["ndcg@10"] for name, path in runs.items()}
    return FusionData(
        split,
        table.items(split.train.item_count),
        None,
        published("beauty", "fusion"),
        max(ndcg, key=ndcg.__getitem__),
        lambda: {name: loaded(path, published("beauty", name)) for name, path in runs.items()},
        ("new",),
    )


def _beauty_runs(settings: Settings, data: Path) -> dict[str, Path]:
    """The directory of each member's run."""
    table = Table(data, "beauty")
    return {
        name: settings.home
        / "published"
        / published_run_id(table, name, 0, published("beauty", name))
        for name in FAMILIES_OF["beauty"]
    }


def _record(run: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run / "run.json").read_text())
    return record


def _rows(data: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each population, of the mean over seeds."""
    rows = []
    for population in found[0]["fusion"]:
        fusion_SU = np.array([one["fusion"][population] for one in found])
        member_U, fusion_U = np.array(found[0]["member"][population]), fusion_SU.mean(axis=0)
        values = {"member": member_U, "fusion": fusion_U, "gain": fusion_U - member_U}
        rows.append(
            {
                "data": data,
                "population": population,
                "users": len(member_U),
                "best": found[0]["best"],
                "kept": [one["kept"] for one in found],
                "by_seed": [round(float(one), 5) for one in fusion_SU.mean(axis=1)],
                **{name: asdict(bootstrap(each_U, 0)) for name, each_U in values.items()},
                "seconds": float(np.median([one["seconds"] for one in found])),
                "ms_per_user": float(np.median([one["ms_per_user"] for one in found])),
            }
        )
    return rows
