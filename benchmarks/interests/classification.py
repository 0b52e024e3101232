"""Interests that users will act on next: deep, adversarial and classical families in one table.

Measured on the home's live snapshot, with every family of names.py that classifies. Existing runs
are reused, so an interrupted benchmark resumes.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import isolated
from benchmarks.rows import grid, interval
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
DETERMINISTIC = ("pca_svm",)
# Members of the families that combine others, as selected on the main data (fusion.py)
MEMBERS = ("popularity", "item_cf", "user_cf", "word2vec", "ease", "sasrec")
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
HEAD = """Snapshot `{snapshot}` of {sources}. The labels are {interests} categories, level
{level} of the tree ({left_out} rarer ones are left out): which of them each of {users:,} known
users acts on in a fortnight that nothing was fitted or tuned on. Decision thresholds were tuned
on the fortnight before. Means over seeds, 95 % intervals over users; seconds are the median of
the runs, memory the largest.

*Base rate* predicts the share of all users, *own habit* the share of a user's last six
fortnights; *fitted habits* is a logistic regression on how much of each interest was bought
lately. Families with a linear probe on their vectors (training/layers/probe.py) get those
habits too, and `pca_svm` gets nothing else: compare them with *fitted habits*, the second
table. Accuracy is inflated: the answer no is right for {nothing:.1%} of the labels.
"""


def measure(settings: Settings) -> dict[str, Any]:
    """Raises UsageError without a live snapshot, DataError when no family could be evaluated."""
    snapshot = Snapshot.live(settings)
    rows, missing = [], {}
    for family in FAMILIES:
        if not isinstance(make(family, main_job(family)), ClassifiesInterests):
            continue
        if family in COMBINED:
            for member in MEMBERS:
                isolated(FIT, snapshot_id=snapshot.id, family=member, seed=0)
        seeds = range(1 if family in DETERMINISTIC + COMBINED else SEEDS)
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
    return {
        "snapshot": snapshot.id,
        "sources": snapshot.description.sources,
        **{name: task[name] for name in ("level", "left_out", "users")},
        "interests": len(task["titles"]),
        "nothing": float(1 - answers.label_UC.mean()),
        "rows": sorted(rows, key=lambda row: -row["figures"]["auc_macro"]["mean"]) + baselines,
        "missing": missing,
    }


FIT = "interests.classification:fit"


def fit(snapshot_id: str, family: str, seed: int) -> dict[str, Any]:
    """Train one run in this process; ``missing`` says why there is none."""
    settings = Settings().model_copy(update={"seed": seed})
    try:
        report = train(settings, snapshot_id, family)
    except PenchantError as error:
        return {"missing": error.cause}
    return {"path": str(settings.runs / snapshot_id / report.run_id)}


def _run(snapshot: Snapshot, family: str, seed: int) -> dict[str, Any]:
    """The result of ``fit`` with the run's record."""
    done = isolated(FIT, snapshot_id=snapshot.id, family=family, seed=seed).value
    if "missing" in done:
        return done
    record = json.loads((Path(done["path"]) / "run.json").read_text())
    task = record["tasks"]["interests"]
    missing = {"missing": task["missing"]} if "missing" in task else {}
    return {**done, "record": record, "task": task, **missing}


def _row(family: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds of each metric, with the interval over users of that mean."""
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
    """Each metric for each resample of the same users."""
    answers, threshold_C = read_answers(run, of)
    return resampled(answers, threshold_C, weights(len(answers), 0))


def _plain(values: dict[str, FloatArray]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in intervals_of(values).items()}


def page(figures: dict[str, Any]) -> str:
    families = [row for row in figures["rows"] if "over" in row]
    baselines = [row for row in figures["rows"] if "over" not in row]
    quality = [
        [name, *(interval(row["figures"][metric], 3) for metric in COLUMNS)]
        for name, row in [
            *((f"`{row['family']}`", row) for row in families),
            *((f"*{row['family']}*", row) for row in baselines),
        ]
    ]
    compared = [
        [
            f"`{row['family']}`",
            *(interval(row["over"][FITTED_HABITS][name], sign="+") for name in COMPARED),
            interval(row["over"][OWN_HABIT]["auc_macro"], sign="+"),
            ", ".join(f"{one:.4f}" for one in row["by_seed"]),
            f"{row['seconds']:.0f}",
            f"{row['peak_mb']:.0f}",
            f"{row['ms_per_user']:.2f}",
        ]
        for row in families
    ]
    over = [f"{COLUMNS.get(name, 'log loss')} over {FITTED_HABITS}" for name in COMPARED]
    costs = ["AUC of each seed", "fit, s", "peak, MB", "ms a user"]
    better = [
        f"`{row['family']}`, by {row['over'][FITTED_HABITS]['auc_macro']['mean']:.4f}"
        for row in families
        if row["over"][FITTED_HABITS]["auc_macro"]["low"] > 0
    ]
    members = ", ".join(f"`{name}`" for name in MEMBERS)
    return "\n".join(
        [
            HEAD.format(**figures | {"sources": ", ".join(figures["sources"])}),
            grid(["predictions of", *COLUMNS.values()], quality),
            "",
            grid(["family", *over, f"AUC over {OWN_HABIT}", *costs], compared),
            "",
            f"Significantly above *{FITTED_HABITS}* in AUC over interests (95 %): "
            f"{'; '.join(better) or 'no family'}.",
            f"*Fitted habits* took {baselines[0]['seconds']:.0f} s to fit.",
            f"Families that combine others were given {members} and the classifiers above that "
            "rank, of one seed.",
            *(f"`{name}` is not in the table: {why}." for name, why in figures["missing"].items()),
        ]
    )
