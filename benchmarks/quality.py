"""Every ranking family on published tables: quality with intervals, seconds and memory.

Run by ``make bench-quality``; PENCHANT_PUBLISHED names the folder of the S3-Rec files. Each fit is
a process of its own and is kept under the home, so a benchmark that was cut short goes on. The test
items are looked at once a frozen config, after all that was chosen on validation. Writes
benchmarks/out/quality.json and docs/results.md.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from benchmarks.rows import OUT, machine
from penchant.errors import UsageError
from penchant.settings import Settings
from penchant.storage import write_json
from training.combination import Combination, combine
from training.configs import published
from training.evaluation import Evaluation, evaluate
from training.family import Family
from training.intervals import bootstrap
from training.names import FAMILIES
from training.published import FILES, NEW, Table, loaded, run, run_id

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "results.md"
COMBINING_USERS = 3000  # of validation, to find the weights by
FIGURES = ("hr@10", "ndcg@10")
TEST = "test.safetensors"  # beside a run's weights: HR@10 and NDCG@10 of every user
TABLE_HEAD = (
    "| family | HR@10 | NDCG@10 | seeds' NDCG@10 | fit, s | peak, MB | source or weights |",
    "|---|---|---|---|---|---|---|",
)
HEAD = """# Results on published tables

Written by `make bench-quality`, measured on {machine}, every fit with one thread, two at a time.

The protocol is S3-Rec's (Zhou et al. 2020): a user's last item is the test, the one before it the
validation; every item of the catalogue is ranked, without those that the user had before. Models
learn without the validation item and see it only as input, save in the rows that say otherwise.
Configurations were chosen by NDCG@10 on validation and are frozen in `training/configs.py`. Figures
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


def main() -> None:
    arguments = _arguments()
    if arguments.fit:
        table, family, seed, learn_validation = arguments.fit
        _fit(Table(arguments.data, table, learn_validation), family, seed, arguments.runs)
        return
    rows = []
    for name in arguments.tables:
        for learn_validation in (False, True):
            table = Table(arguments.data, name, learn_validation)
            families = arguments.with_validation if learn_validation else arguments.families
            _fit_all(table, families, arguments)
            rows += [_row(table, family, arguments) for family in families]
            rows += _combinations(table, families, arguments) if len(families) > 1 else []
    write_json(OUT / "quality.json", {"machine": machine().ours, "rows": rows})
    PAGE.write_text(_page(rows))
    print(f"wrote {OUT / 'quality.json'} and {PAGE}")


def _arguments() -> argparse.Namespace:
    settings = Settings()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=settings.published_data)
    parser.add_argument("--runs", type=Path, default=settings.home / "published")
    parser.add_argument("--tables", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--with-validation", nargs="*", default=["ease", "sasrec"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="fits at a time, of one thread each")
    parser.add_argument("--fit", type=json.loads, help="one run, as JSON: used by the benchmark")
    arguments = parser.parse_args()
    if arguments.data is None:
        raise UsageError(
            "the benchmark needs the files of the published tables",
            "set PENCHANT_PUBLISHED_DATA to the folder with Beauty.txt and the others",
        )
    return arguments


def _fit(table: Table, family: str, seed: int, runs: Path) -> None:
    """One run, and what it does on the test items."""
    torch.set_num_threads(1)
    config = published(table.name, family)
    folder = run(table, family, seed, runs)
    if (folder / TEST).exists():
        return
    model, window = loaded(folder, config), table.split().test
    model.observe(window.histories)
    _keep(evaluate(model.scores, window, NEW)["new"], folder / TEST)


def _fit_all(table: Table, families: list[str], arguments: argparse.Namespace) -> None:
    """Each run in a process of its own, ``jobs`` at a time, so that its peak memory is its own."""

    def fit(one: tuple[str, int]) -> None:
        family, seed = one
        work = json.dumps([table.name, family, seed, table.learn_validation])
        command = [sys.executable, "-m", "benchmarks.quality", "--data", str(arguments.data)]
        command += ["--runs", str(arguments.runs), "--fit", work]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})

    with ThreadPoolExecutor(arguments.jobs) as pool:
        wanted = [(family, seed) for family in families for seed in range(arguments.seeds)]
        for (family, seed), _ in zip(wanted, pool.map(fit, wanted), strict=True):
            print(f"{table.name} {family} seed {seed}", flush=True)


def _folder(table: Table, family: str, seed: int, runs: Path) -> Path:
    return runs / run_id(table, family, seed, published(table.name, family))


def _row(table: Table, family: str, arguments: argparse.Namespace) -> dict[str, Any]:
    folders = [_folder(table, family, seed, arguments.runs) for seed in range(arguments.seeds)]
    records = [json.loads((folder / "run.json").read_text()) for folder in folders]
    return {
        **_named(table, family),
        **_figures([load_file(folder / TEST) for folder in folders]),
        "seconds": float(np.median([record["fit_seconds"] for record in records])),
        "peak_mb": max(record["peak_memory_bytes"] for record in records) >> 20,
        "validation_ndcg@10": float(np.mean([one["validation"]["ndcg@10"] for one in records])),
    }


def _combinations(
    table: Table, families: list[str], arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """One seed of each family, for each seed; and all seeds together, with the first's weights."""
    tuned_on = Table(table.folder, table.name).split().validation
    users = np.random.default_rng(0).permutation(len(tuned_on.histories))[:COMBINING_USERS]
    window, test = tuned_on.take(np.sort(users)), table.split().test
    members: list[list[Family]] = [
        [
            loaded(_folder(table, family, seed, arguments.runs), published(table.name, family))
            for family in families
        ]
        for seed in range(arguments.seeds)
    ]
    without = Table(table.folder, table.name)
    chosen = combine(
        [
            loaded(_folder(without, family, 0, arguments.runs), published(table.name, family))
            for family in families
        ],
        window,
    )
    together = Combination(
        tuple(member for seed in members for member in seed), chosen.weights * len(members)
    )
    weights = {
        family: weight for family, weight in zip(families, chosen.weights, strict=True) if weight
    }
    found = []
    for member in together.members:
        member.observe(test.histories)
    for seed in members:
        one = Combination(tuple(seed), chosen.weights)
        found.append(_values(evaluate(one.scores, test, NEW)["new"]))
    all_seeds = _values(evaluate(together.scores, test, NEW)["new"])
    return [
        {**_named(table, "combination"), **_figures(found), "weights": weights},
        {**_named(table, "combination of all seeds"), **_figures([all_seeds]), "weights": weights},
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


def _keep(evaluation: Evaluation, path: Path) -> None:
    save_file(_values(evaluation), path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def _page(rows: list[dict[str, Any]]) -> str:
    lines = [HEAD.format(machine=machine().ours)]
    for table in dict.fromkeys(row["table"] for row in rows):
        lines += [f"## {FILES[table]}", "", *TABLE_HEAD]
        lines += [
            f"| {one.family}, published | {one.hr:.4f} | {one.ndcg:.4f} | | | | {one.source} |"
            for one in PUBLISHED_FIGURES[table]
        ]
        lines += [_line(row) for row in rows if row["table"] == table]
        lines.append("")
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
