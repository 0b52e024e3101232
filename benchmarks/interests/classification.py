"""Which interests a user will act on next: deep, adversarial and classical models in one table.

On the home's live snapshot, every family of names.py that classifies. A run that is there already
is not made again, so what was cut short goes on.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.isolated import apart
from penchant.artifacts import Snapshot
from penchant.errors import DataError, PenchantError
from penchant.settings import Settings
from training.commands.train import train
from training.configs import main_job
from training.evaluation.interests import BASE_RATE, FITTED_HABITS, ITSELF, OWN_HABIT, read_answers
from training.evaluation.metrics.intervals import FloatArray, weights
from training.evaluation.metrics.multilabel import intervals_of, resampled
from training.fitting.budget import MB
from training.fitting.capabilities import ClassifiesInterests
from training.fitting.factory import make
from training.names import COMBINED, FAMILIES

TITLE = "Which interests will a user act on next?"
SEEDS = 3
SEEDLESS = ("pca_svm",)  # fitted equally by any seed; the combined have one for their members' sake
MEMBERS = ("popularity", "item_cf", "user_cf", "word2vec", "ease", "sasrec")
"""Of the combined: what they choose on the main data where all families are there (fusion.py),
beside the classifiers that rank."""
BASELINES = (FITTED_HABITS, OWN_HABIT, BASE_RATE)
COLUMNS = {
    "auc_macro": "AUC over interests",
    "auc_user": "AUC over a user's",
    "f1_micro": "F1, micro",
    "f1_macro": "F1, macro",
    "precision_micro": "precision, micro",
    "recall_micro": "recall, micro",
    "accuracy": "accuracy",
    "accuracy_all": "all interests right",
    "calibration_error": "calibration error",
}
COMPARED = ("auc_macro", "auc_user", "f1_micro", "log_loss")
HEAD = """Snapshot `{snapshot}` of {sources}. Labels: {interests} categories, level {level} of the
tree ({left_out} rarer ones are left out): which of them each of {users:,} known users acts on in
a fortnight that nothing was fitted or tuned on. From which probability on an answer is yes was
chosen on the fortnight before. Means over seeds, 95 % intervals over users; seconds and memory
are of the median and the largest of the runs.

*Base rate* says the share of all users, *own habit* the share of a user's last six
fortnights; *fitted habits* is a logistic regression on how much of each interest was bought lately.
The families whose vectors are read out (training/layers/probe.py) have those habits beside
them, and `pca_svm` has nothing else: what a family knows more is what it has above *fitted
habits*, the second table. Accuracy flatters: to say no to everything is right in {nothing:.1%} of
the answers.
"""


def measure(settings: Settings) -> dict[str, Any]:
    """Raises UsageError where the home has no live snapshot, DataError where nobody could be
    evaluated on it."""
    snapshot = Snapshot.live(settings)
    rows, missing = [], {}
    for family in FAMILIES:
        if isinstance(make(family, main_job(family)), ClassifiesInterests):
            if family in COMBINED:
                for member in MEMBERS:
                    apart("classification:fit", snapshot_id=snapshot.id, family=member, seed=0)
            seeds = range(1 if family in SEEDLESS + COMBINED else SEEDS)
            runs = [_run(snapshot, family, seed) for seed in seeds]
            causes = [run["missing"] for run in runs if "missing" in run]
            if causes:
                missing[family] = causes[0]
            else:
                rows.append(_row(family, runs))
    if not rows:
        raise DataError(
            f"no family could be evaluated: {'; '.join(missing.values())}",
            "measure on a snapshot whose items have categories",
        )
    one = _run(snapshot, rows[0]["family"], 0)
    task, answers = one["task"], read_answers(Path(one["path"]), ITSELF)[0]
    baselines = [
        {"family": name, "figures": task["baselines"][name], "seeds": 1} for name in BASELINES
    ]
    baselines[0]["seconds"] = task["fitted_habits_seconds"]
    return {
        "snapshot": snapshot.id,
        "sources": snapshot.description.sources,
        **{name: task[name] for name in ("level", "left_out", "users")},
        "interests": len(task["titles"]),
        "nothing": float(1 - answers.label_UC.mean()),
        "rows": sorted(rows, key=lambda row: -row["figures"]["auc_macro"]["mean"]) + baselines,
        "missing": missing,
    }


def fit(snapshot_id: str, family: str, seed: int) -> dict[str, Any]:
    """One run, in this process; why there is none where it can't be."""
    settings = Settings().model_copy(update={"seed": seed})
    try:
        report = train(settings, snapshot_id, family)
    except PenchantError as error:
        return {"missing": error.cause}
    return {"path": str(settings.runs / snapshot_id / report.run_id)}


def _run(snapshot: Snapshot, family: str, seed: int) -> dict[str, Any]:
    """What ``fit`` says, with the run's record."""
    done = apart("classification:fit", snapshot_id=snapshot.id, family=family, seed=seed).value
    if "missing" in done:
        return done
    record = json.loads((Path(done["path"]) / "run.json").read_text())
    task = record["tasks"]["interests"]
    return {**done, "record": record, "task": task, **_cause(task)}


def _cause(task: dict[str, Any]) -> dict[str, str]:
    return {"missing": task["missing"]} if "missing" in task else {}


def _row(family: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds of each figure, with the interval over users of that mean."""
    found = [_values(Path(run["path"]), ITSELF) for run in runs]
    baselines = {of: _values(Path(runs[0]["path"]), of) for of in BASELINES[:2]}
    mean = {name: np.mean([one[name] for one in found], axis=0) for name in found[0]}
    over = {
        of: _plain({name: mean[name] - values[name] for name in COMPARED})
        for of, values in baselines.items()
    }
    records = [run["record"] for run in runs]
    return {
        "family": family,
        "figures": _plain(mean),
        "over": over,
        "by_seed": [round(float(one["auc_macro"][0]), 4) for one in found],
        "seeds": len(runs),
        "seconds": float(np.median([record["fit_seconds"] for record in records])),
        "peak_mb": max(record["peak_memory_bytes"] for record in records) / MB,
        "ms_per_user": float(np.median([run["task"]["ms_per_user"] for run in runs])),
    }


def _values(run: Path, of: str) -> dict[str, FloatArray]:
    """Each figure for each resample of the same users."""
    answers, threshold_C = read_answers(run, of)
    return resampled(answers, threshold_C, weights(len(answers), 0))


def _plain(values: dict[str, FloatArray]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in intervals_of(values).items()}


def page(figures: dict[str, Any]) -> str:
    rows = figures["rows"]
    lines = [HEAD.format(**figures | {"sources": ", ".join(figures["sources"])})]
    lines += [_head(["answers of", *COLUMNS.values()])]
    for row in rows:
        cells = [cell(row["figures"][name]) for name in COLUMNS]
        lines.append(f"| {_name(row)} | {' | '.join(cells)} |")
    compared = [f"{COLUMNS.get(name, 'log loss')} over {FITTED_HABITS}" for name in COMPARED]
    costs = ["AUC of each seed", "fit, s", "peak, MB", "ms a user"]
    lines += ["", _head(["family", *compared, f"AUC over {OWN_HABIT}", *costs])]
    for row in rows:
        if "over" in row:
            over = [signed(row["over"][FITTED_HABITS][name]) for name in COMPARED]
            over.append(signed(row["over"][OWN_HABIT]["auc_macro"]))
            seeds = ", ".join(f"{one:.4f}" for one in row["by_seed"])
            cost = f"{row['seconds']:.0f} | {row['peak_mb']:.0f} | {row['ms_per_user']:.2f}"
            lines.append(f"| `{row['family']}` | {' | '.join(over)} | {seeds} | {cost} |")
    fitted = next(row for row in rows if row["family"] == FITTED_HABITS)
    lines += ["", _verdict(rows), f"*Fitted habits* took {fitted['seconds']:.0f} s to fit."]
    given = ", ".join(f"`{name}`" for name in MEMBERS)
    lines.append(
        f"What combines others was given {given} and the classifiers above that rank, of one seed."
    )
    lines += [
        f"`{name}` is not in the table: {cause}." for name, cause in figures["missing"].items()
    ]
    return "\n".join(lines)


def _verdict(rows: list[dict[str, Any]]) -> str:
    above = [
        f"`{row['family']}`, by {row['over'][FITTED_HABITS]['auc_macro']['mean']:.4f}"
        for row in rows
        if "over" in row and row["over"][FITTED_HABITS]["auc_macro"]["low"] > 0
    ]
    said = "; ".join(above) if above else "no family"
    return f"Above *{FITTED_HABITS}* in AUC over interests by more than the interval: {said}."


def _name(row: dict[str, Any]) -> str:
    return f"`{row['family']}`" if "over" in row else f"*{row['family']}*"


def _head(names: list[str]) -> str:
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def cell(figure: dict[str, float]) -> str:
    return f"{figure['mean']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def signed(figure: dict[str, float]) -> str:
    return f"{figure['mean']:+.4f} [{figure['low']:+.4f}, {figure['high']:+.4f}]"
