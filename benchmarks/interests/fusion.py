"""Fusion against its best member, user by user: on the live snapshot and on Amazon Beauty.

The members' runs are made once and kept under the home; only fusion is fitted for each seed. The
best member is the one that validated best. On Beauty the protocol is that of benchmarks/quality.py:
a test item a user, ranked among all that the user had not had before.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from benchmarks.isolated import apart
from benchmarks.quality import FAMILIES_OF
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
from training.evaluation.metrics.full_ranking import Evaluation, evaluate_window
from training.evaluation.metrics.intervals import FloatArray, bootstrap
from training.families.fusion import Config, Model
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker
from training.names import RANKERS

TITLE = "Fused interests"
SEEDS = (0, 1, 2)
MAIN, BEAUTY = "main data", "Beauty"
NAMES = {"stack": "stack", "gate": "gate alone"}
SECONDS, MEMORY_MB = 3600.0, 12_000
HEAD = """`fusion` combines the runs of the others: it keeps the members whose lists add up best,
and a small network weighs what they say beside the user's own habit with an item. It learns from
half of the validation users at most; what is reported is of the test window. The best member is
the one that validated best; the gain over it is paired, user by user, of the mean over
{seeds} seeds of fusion on the same members. The gate needs no members: behaviour, content, profile
and context in one vector; one seed.
"""
TABLE_HEAD = (
    "| mode | data | items | best member | its NDCG@10 | fusion's NDCG@10 | seeds | gain | fit, s |"
    " ms a user |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True)
class Ground:
    """What fusion is fitted and evaluated on. ``best``: the member that validated best."""

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
            "fusion is measured on Beauty too, and its files are not there",
            "set PENCHANT_PUBLISHED_DATA to the folder with Beauty.txt, or give --data",
        )
    snapshot, published_data = _snapshot(settings), str(settings.published_data)
    for family in RANKERS:
        if family not in member_runs(settings, snapshot.id):
            apart("fusion:fit_on_main_data", family=family)
    for family in FAMILIES_OF["beauty"]:
        if not (
            settings.home / "published" / _beauty_run(settings.published_data, family)
        ).exists():
            apart("fusion:fit_on_beauty", family=family, data=published_data)
    rows = []
    for data, mode in ((MAIN, "stack"), (BEAUTY, "stack"), (MAIN, "gate")):
        found = [
            apart("fusion:fused", data=data, seed=seed, mode=mode, published=published_data)
            for seed in (SEEDS if mode == "stack" else SEEDS[:1])
        ]
        rows += [row | {"mode": mode} for row in _rows(data, [one.value for one in found])]
    return {"rows": rows}


def page(figures: dict[str, Any]) -> str:
    lines = [HEAD.format(seeds=len(SEEDS)), *TABLE_HEAD]
    for row in figures["rows"]:
        seeds = f"{min(row['by_seed']):.4f} to {max(row['by_seed']):.4f}"
        cells = [NAMES[row["mode"]], row["data"], row["population"], f"`{row['best']}`"]
        cells += [_told(row["member"]), _told(row["fusion"]), seeds, _told(row["gain"], "+")]
        cells += [f"{row['seconds']:.0f}", f"{row['ms_per_user']:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Members kept, best first, by seed:", ""]
    for data in (MAIN, BEAUTY):
        kept = next(row["kept"] for row in figures["rows"] if row["data"] == data)
        lines.append(f"- {data}: " + "; ".join(", ".join(f"`{n}`" for n in one) for one in kept))
    verdicts = [
        f"- The {NAMES[row['mode']]}, {row['data']}, {row['population']} items, "
        f"{'beats' if row['gain']['low'] > 0 else 'does not beat'} the best member by more than "
        "the interval."
        for row in figures["rows"]
    ]
    return "\n".join([*lines, "", *verdicts])


def fit_on_main_data(family: str) -> None:
    settings = Settings()
    trained_run(settings, _snapshot(settings).id, family)


def fit_on_beauty(family: str, data: str) -> None:
    published_run(Table(Path(data), "beauty"), family, 0, Settings().home / "published")


def fused(data: str, seed: int, mode: Literal["stack", "gate"], published: str) -> dict[str, Any]:
    """Fusion and its best member on the test window, each user's NDCG@10."""
    settings = Settings()
    ground = _main_data(settings) if data == MAIN else _beauty(settings, Path(published))
    model = Model(replace(ground.config, mode=mode))
    budget = Budget(SECONDS, MEMORY_MB)
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        context = TrainingContext(
            ground.split.validation,
            ground.items,
            torch.device("cpu"),
            seed,
            budget,
            Path(folder) / "checkpoints",
            population=ground.populations[0],
            users=ground.users,
            members=ground.members,
        )
        model.fit(ground.split, context)
    seconds = budget.spent
    best = ground.members()[ground.best]
    evaluated = {
        name: _evaluated(one, ground) for name, one in (("fusion", model), ("member", best))
    }
    took = budget.spent - seconds
    return {
        "best": ground.best,
        "kept": list(getattr(model, "members", [])),
        "tuned": model.tuned,
        "seconds": round(seconds, 1),
        "ms_per_user": round(1000 * took / len(ground.split.test.evaluated().histories), 2),
        **{
            name: {
                population: one[population].values["ndcg@10"].tolist()
                for population in ground.populations
            }
            for name, one in evaluated.items()
        },
    }


def _evaluated(family: Ranker, ground: Ground) -> dict[str, Evaluation]:
    family.observe(ground.split.test.histories)
    return evaluate_window(family.scores, ground.split.test, ground.populations)


def _main_data(settings: Settings) -> Ground:
    snapshot = _snapshot(settings)
    dataset = read_dataset(snapshot)
    validated = {
        name: _record(settings.runs / snapshot.id / run)["validation_metrics"]["all"]["ndcg@10"][
            "mean"
        ]
        for name, run in member_runs(settings, snapshot.id).items()
    }
    return Ground(
        split_by_time(dataset.histories),
        dataset.items,
        dataset.users,
        main_job("fusion"),
        max(validated, key=validated.__getitem__),
        lambda: members(settings, snapshot),
        ("all", "new"),
    )


def _beauty(settings: Settings, folder: Path) -> Ground:
    table, runs = Table(folder, "beauty"), settings.home / "published"
    split = table.split()
    paths = {family: runs / _beauty_run(folder, family) for family in FAMILIES_OF["beauty"]}
    validated = {name: _record(path)["validation"]["ndcg@10"] for name, path in paths.items()}
    return Ground(
        split,
        table.items(split.train.item_count),
        None,
        published("beauty", "fusion"),
        max(validated, key=validated.__getitem__),
        lambda: {name: loaded(path, published("beauty", name)) for name, path in paths.items()},
        ("new",),
    )


def _beauty_run(folder: Path, family: str) -> str:
    return published_run_id(Table(folder, "beauty"), family, 0, published("beauty", family))


def _snapshot(settings: Settings) -> Snapshot:
    if live := settings.live_snapshot.current():
        return Snapshot.open(settings, live)
    raise UsageError("there is no snapshot to fuse families on", "run `make demo` first")


def _record(run: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run / "run.json").read_text())
    return record


def _rows(data: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each population, of the mean over seeds."""
    rows = []
    for population in found[0]["fusion"]:
        values_SU = np.array([one["fusion"][population] for one in found])
        member_U = np.array(found[0]["member"][population])
        rows.append(
            {
                "data": data,
                "population": population,
                "users": len(member_U),
                "best": found[0]["best"],
                "kept": [one["kept"] for one in found],
                "by_seed": [round(float(one), 5) for one in values_SU.mean(axis=1)],
                "member": _interval(member_U),
                "fusion": _interval(values_SU.mean(axis=0)),
                "gain": _interval(values_SU.mean(axis=0) - member_U),
                "seconds": float(np.median([one["seconds"] for one in found])),
                "ms_per_user": float(np.median([one["ms_per_user"] for one in found])),
            }
        )
    return rows


def _interval(values_U: FloatArray) -> dict[str, float]:
    return asdict(bootstrap(values_U, 0))


def _told(interval: dict[str, float], sign: str = "") -> str:
    mean, low, high = (f"{interval[name]:{sign}.4f}" for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"
