"""Every ranking family on published tables: quality with intervals, seconds and memory.

PENCHANT_PUBLISHED_DATA names the folder of the S3-Rec files. Each
fit is a process of its own and is kept under the home, so a benchmark that was cut short goes on.
The test items are looked at once a frozen config, after all that was chosen on validation.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from penchant.errors import UsageError
from penchant.settings import Settings
from training.commands.published_tables import FILES, NEW, Table, loaded, run, run_id
from training.configs import published
from training.evaluation.metrics.full_ranking import Evaluation, evaluate_window
from training.evaluation.metrics.intervals import bootstrap
from training.fitting.family import Ranker
from training.layers.fusion.combination import Combination, combine

ROOT = Path(__file__).resolve().parent.parent
TITLE = "Ranking quality on published tables"
COMBINING_USERS = 3000  # of validation, to find the weights by
SEEDS = {"beauty": 3, "sports": 1}  # a fit on Sports takes twice as long
SLOW = ("rnn", "gru", "lstm", "bert4rec", "hstu")  # of one seed, for the same reason
SEEDLESS = ("popularity", "item_cf", "user_cf", "content", "ease")  # fitted equally by any seed
FIGURES = ("hr@10", "ndcg@10")
TEST = "test.safetensors"  # beside a run's weights: HR@10 and NDCG@10 of every user
ON_BEAUTY = ["popularity", "item_cf", "user_cf", "content", "word2vec", "glove", "ease"]
ON_BEAUTY += ["matrix_factorization", "ncf", "vae", "rnn", "gru", "lstm", "sasrec", "bert4rec"]
ON_BEAUTY += ["hstu"]
ON_SPORTS = ["popularity", "item_cf", "user_cf", "word2vec", "ease", "matrix_factorization", "vae"]
ON_SPORTS += ["gru", "sasrec", "hstu"]  # of each kind, what validated best on Beauty
WITH_VALIDATION = ["ease", "sasrec"]  # what is also fitted with the validation item, on Beauty
FAMILIES_OF = {"beauty": ON_BEAUTY, "sports": ON_SPORTS}
TABLE_HEAD = (
    "| family | HR@10 | NDCG@10 | seeds' NDCG@10 | fit, s | peak, MB | source or weights |",
    "|---|---|---|---|---|---|---|",
)
ABLATION_TABLE_HEAD = ("| family | changed | HR@10 | NDCG@10 |", "|---|---|---|---|")
ABLATION_HEAD = """## What pays

One part of a frozen configuration changed at a time, Beauty, **validation** items, one seed. Two
seeds of `sasrec` differ by about .001.
"""
HEAD = """Every fit has one thread; two run at a time.

The protocol is S3-Rec's (Zhou et al. 2020): a user's last item is the test, the one before it the
validation; every item of the catalogue is ranked, without those that the user had before. Models
learn without the validation item and see it only as input, save in the rows that say otherwise.
Configurations were chosen by NDCG@10 on validation and are frozen in `training/configs/`. Figures
are means over users and seeds, in brackets the 95 % bootstrap interval over users. A combination
adds its members' scores, standardised for each user, with weights found on validation.
"""


@dataclass(frozen=True)
class Published:
    """A figure that somebody printed; ``source`` says who, and what the figure is of."""

    family: str
    hr: float
    ndcg: float
    source: str


S3_REC = "Zhou et al. 2020 (S3-Rec), its repository's table"
PUBLISHED_FIGURES = {
    "beauty": (
        Published("popularity", 0.0152, 0.0068, S3_REC),
        Published("gru", 0.0283, 0.0137, S3_REC),
        Published("bert4rec", 0.0347, 0.0170, S3_REC),
        Published("sasrec", 0.0605, 0.0318, S3_REC),
        Published("S3-Rec", 0.0647, 0.0327, S3_REC),
        Published("BSARec", 0.1008, 0.0611, "Shin et al. 2024 (BSARec)"),
    ),
    "sports": (
        Published("sasrec", 0.0350, 0.0192, S3_REC),
        Published("S3-Rec", 0.0385, 0.0204, S3_REC),
    ),
}


@dataclass(frozen=True)
class Part:
    """A frozen config with one part of it changed, to see what the part is worth."""

    family: str
    changed: str
    fields: dict[str, Any] = field(default_factory=dict)
    learning: dict[str, Any] = field(default_factory=dict)

    def config(self) -> Any:
        config = replace(published("beauty", self.family), **self.fields)
        if not self.learning:
            return config
        return replace(config, learning=replace(config.learning, **self.learning))


PARTS = (
    Part("sasrec", "as frozen"),
    Part(
        "sasrec", "the dot product and a bias in place of the cosine", learning={"temperature": 0.0}
    ),
    Part("sasrec", "no tags", learning={"tags": False}),
    Part("sasrec", "128 negatives in place of 1,024", learning={"negatives": 128}),
    Part("sasrec", "two layers", {"layers": 2}),
    Part("sasrec", "dropout 0.5", {"dropout": 0.5}),
    Part("ease", "as frozen"),
    Part("ease", "no tags", {"same_tag": 0.0}),
    Part("ease", "order only: no rows of items against themselves", {"together": 0.0}),
    Part("ease", "only items of ten buyers or more", {"min_buyers": 10}),
)


@dataclass(frozen=True)
class Place:
    """Folders of the tables and of the runs, and how many fits run at a time."""

    data: Path
    runs: Path
    jobs: int


def measure(
    settings: Settings, *, tables: tuple[str, ...] = tuple(FILES), jobs: int = 2
) -> dict[str, Any]:
    """``jobs``: fits at a time, of one thread each."""
    if settings.published_data is None:
        raise UsageError(
            "PENCHANT_PUBLISHED_DATA is not set",
            "set it to the folder with Beauty.txt and the other files of the published tables",
        )
    place = Place(settings.published_data, settings.home / "published", jobs)
    rows: list[dict[str, Any]] = []
    for name in tables:
        for learn_validation in (False, True) if name == "beauty" else (False,):
            table = Table(place.data, name, learn_validation)
            families = WITH_VALIDATION if learn_validation else FAMILIES_OF[name]
            _fit_all(place, table, families)
            rows += [_row(table, family, place.runs) for family in families]
            rows += _combinations(table, families, place.runs)
    _ablate(place)
    return {"rows": rows, "ablation": [_part(place, index) for index in range(len(PARTS))]}


def main() -> None:
    """One fit, named on the command line as JSON: a process of ``measure``."""
    data, runs, *work = json.loads(sys.argv[1])
    _fit(Place(Path(data), Path(runs), 1), *work)


def _fit(
    place: Place, name: str, family: str, seed: int, learn_validation: bool, part: int | None
) -> None:
    """One run, in this process; a frozen config's is evaluated on the test items too."""
    torch.set_num_threads(1)
    table = Table(place.data, name, learn_validation)
    if part is not None:
        run(table, family, seed, place.runs, PARTS[part].config())
        return
    folder = run(table, family, seed, place.runs)
    if (folder / TEST).exists():
        return
    model, window = loaded(folder, published(name, family)), table.split().test
    model.observe(window.histories)
    _keep(_values(evaluate_window(model.scores, window, NEW)["new"]), folder / TEST)


def _fit_all(place: Place, table: Table, families: list[str]) -> None:
    _in_processes(
        place,
        [
            [table.name, family, seed, table.learn_validation, None]
            for family in families
            for seed in _seeds(table.name, family)
            if not (_fitted(table, family, seed, place.runs) / TEST).exists()
        ],
    )


def _ablate(place: Place) -> None:
    _in_processes(
        place,
        [["beauty", part.family, 0, False, index] for index, part in enumerate(PARTS)],
    )


def _in_processes(place: Place, work: list[list[Any]]) -> None:
    """Each run in a process of its own, ``jobs`` at a time, so that its peak memory is its own."""

    def fit(one: list[Any]) -> None:
        work = json.dumps([str(place.data), str(place.runs), *one])
        command = [sys.executable, "-m", "benchmarks.quality", work]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})

    with ThreadPoolExecutor(place.jobs) as pool:
        for one, _ in zip(work, pool.map(fit, work), strict=True):
            print(*one, flush=True)


def _part(place: Place, index: int) -> dict[str, Any]:
    part, table = PARTS[index], Table(place.data, "beauty")
    folder = place.runs / run_id(table, part.family, 0, part.config())
    record = json.loads((folder / "run.json").read_text())
    return {"family": part.family, "changed": part.changed, **record["validation"]}


def _seeds(table: str, family: str) -> range:
    return range(1 if family in SEEDLESS + SLOW else SEEDS[table])


def _fitted(table: Table, family: str, seed: int, runs: Path) -> Path:
    """The directory of a run; of the first seed where there are fewer."""
    seed = seed if seed in _seeds(table.name, family) else 0
    return runs / run_id(table, family, seed, published(table.name, family))


def _row(table: Table, family: str, runs: Path) -> dict[str, Any]:
    folders = [_fitted(table, family, seed, runs) for seed in _seeds(table.name, family)]
    records = [json.loads((folder / "run.json").read_text()) for folder in folders]
    return {
        **_named(table, family),
        **_figures([load_file(folder / TEST) for folder in folders]),
        "seconds": float(np.median([record["fit_seconds"] for record in records])),
        "peak_mb": max(record["peak_memory_bytes"] for record in records) >> 20,
        "validation_ndcg@10": float(np.mean([one["validation"]["ndcg@10"] for one in records])),
    }


def _combinations(table: Table, families: list[str], runs: Path) -> list[dict[str, Any]]:
    """One seed of each family, for each seed; and all seeds together, with the first's weights."""
    split = table.split()
    weights = _weights(Table(table.folder, table.name), families, runs)
    members = [_members(table, tuple(weights), seed, runs) for seed in range(SEEDS[table.name])]
    for member in (member for seed in members for member in seed):
        member.observe(split.test.histories)

    def evaluated(members: list[Ranker], weights: tuple[float, ...]) -> dict[str, torch.Tensor]:
        scores = Combination(tuple(members), weights).scores
        return _values(evaluate_window(scores, split.test, NEW)["new"])

    of_weights = tuple(weights.values())
    named = {"weights": weights}
    rows = [
        _named(table, "combination")
        | _figures([evaluated(seed, of_weights) for seed in members])
        | named
    ]
    if len(members) > 1:
        every = evaluated(
            [member for seed in members for member in seed], of_weights * len(members)
        )
        rows.append(_named(table, "combination of all seeds") | _figures([every]) | named)
    return rows


def _weights(table: Table, families: list[str], runs: Path) -> dict[str, float]:
    """Each family's weight where it has one, found on some validation users with the first seed."""
    window = table.split().validation
    users = np.random.default_rng(0).permutation(len(window.histories))[:COMBINING_USERS]
    found = combine(_members(table, tuple(families), 0, runs), window.take(np.sort(users)))
    return {family: one for family, one in zip(families, found.weights, strict=True) if one}


def _members(table: Table, families: tuple[str, ...], seed: int, runs: Path) -> list[Ranker]:
    return [
        loaded(_fitted(table, family, seed, runs), published(table.name, family))
        for family in families
    ]


def _named(table: Table, family: str) -> dict[str, Any]:
    return {"table": table.name, "family": family, "learn_validation": table.learn_validation}


def _figures(found: list[dict[str, torch.Tensor]]) -> dict[str, Any]:
    """Means over users and seeds, with the interval over users of the mean over seeds."""
    figures: dict[str, Any] = {"seeds": len(found)}
    for name in FIGURES:
        values_SU = torch.stack([one[name] for one in found]).double().numpy()
        figures[name] = asdict(bootstrap(values_SU.mean(axis=0), 0))
        figures[name] |= {"by_seed": [round(float(one), 5) for one in values_SU.mean(axis=1)]}
    return figures


def _values(evaluation: Evaluation) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(evaluation.values[name]).float() for name in FIGURES}


def _keep(values: dict[str, torch.Tensor], path: Path) -> None:
    save_file(values, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def page(figures: dict[str, Any]) -> str:
    lines = [HEAD]
    for table in dict.fromkeys(row["table"] for row in figures["rows"]):
        lines += [f"## {FILES[table]}", "", *TABLE_HEAD]
        lines += [
            f"| {one.family}, published | {one.hr:.4f} | {one.ndcg:.4f} | | | | {one.source} |"
            for one in PUBLISHED_FIGURES[table]
        ]
        lines += [_line(row) for row in figures["rows"] if row["table"] == table]
        lines.append("")
    lines += [ABLATION_HEAD, *ABLATION_TABLE_HEAD]
    lines += [
        f"| {part['family']} | {part['changed']} | {part['hr@10']:.4f} | {part['ndcg@10']:.4f} |"
        for part in figures["ablation"]
    ]
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    hr, ndcg = (
        f"{row[name]['mean']:.4f} [{row[name]['low']:.4f}, {row[name]['high']:.4f}]"
        for name in FIGURES
    )
    name = row["family"] + (", validation item learned" if row["learn_validation"] else "")
    cost = f"{row['seconds']:.0f} | {row['peak_mb']}" if "seconds" in row else " | "
    by_seed = row["ndcg@10"]["by_seed"]
    spread = f"{min(by_seed):.4f} to {max(by_seed):.4f}" if len(by_seed) > 1 else ""
    note = ", ".join(f"{family} {weight:g}" for family, weight in row.get("weights", {}).items())
    return f"| {name} | {hr} | {ndcg} | {spread} | {cost} | {note} |"


if __name__ == "__main__":
    main()
