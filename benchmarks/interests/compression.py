"""Size, speed and quality of a run's compressed forms: vectors, layers, and a distilled student.

On the main data each form is made as by `penchant compress`; on Amazon Beauty, where
PENCHANT_PUBLISHED_DATA points to its files, under the published protocol (leave-one-out, items that
a user had are masked).
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fitting import training_context
from benchmarks.processes import isolated
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.settings import Settings
from training.commands.published_tables import MEMORY_MB, SECONDS, TUNING_USERS, Table, loaded, run
from training.commands.train import context_for, train
from training.compression.compress import compress, read_run
from training.compression.distillation import DistillationConfig, distil, student_of
from training.compression.forms import Trial
from training.compression.linear import with_int8_layers
from training.compression.measuring import ndcg
from training.configs import published
from training.fitting.budget import Budget
from training.fitting.family import VectorFamily
from training.fitting.progress import Recorder

TITLE = "Compressed forms of a trained run"
FAMILIES = ("matrix_factorization", "word2vec", "content", "vae", "gru", "sasrec", "bert4rec")
TEACHERS = ("sasrec",)
SMALLER, SMALLER_LOSS = 4.0, 0.01  # int8 vectors: times, and the share of NDCG@10 at most
FASTER, FASTER_LOSS = 3.0, 0.03  # a student
NARROW = ((48, 0.5), (32, 0.5))  # other students: dimensions, share of the teacher's input read
BEAUTY_DIMENSIONS = 32  # the published teacher has one layer already
WINDOWS = ("validation", "test")
FORMS = ("float32", "half", "int8", "int8 layers", "student", "student int8")
INTRODUCTION = """*Smaller*: bytes on disk of the run's vectors, or of its network, over those of
the form. *Lost*: the share of NDCG@10, user by user; below 0 is a gain. Milliseconds of one thread:
*history*, to encode a history, and *catalogue*, to score all items, for a user of a batch;
*request*, both for one user alone. *Faster*: the run's history and catalogue over the form's. A
student starts from its teacher's embeddings, reads the newest half of its teacher's input, and has
one layer; its int8 form has the student's vectors as int8."""


def measure(settings: Settings) -> dict[str, Any]:
    place = {"home": str(settings.home), "snapshot_id": Snapshot.live(settings).id}
    figures: dict[str, Any] = {"main": {}, "beauty": None}
    for name in FAMILIES:
        done = isolated("interests.compression:on_snapshot", **place, name=name)
        figures["main"][name] = done.value
    if settings.published_data:
        arguments = {"data": str(settings.published_data), "name": "sasrec"}
        figures["beauty"] = isolated("interests.compression:on_beauty", **arguments).value
    return figures


def on_snapshot(home: str, snapshot_id: str, name: str) -> dict[str, Any]:
    settings = Settings().model_copy(update={"home": Path(home), "family_seconds": 1200.0})
    train(settings, snapshot_id, name)
    report = compress(settings, snapshot_id, name, student=name in TEACHERS)
    narrow = [
        _narrow(settings, snapshot_id, report.run_id, name, *sizes)
        for sizes in (NARROW if name in TEACHERS else ())
    ]
    return {"forms": report.forms, "left_out": report.left_out, "narrow": narrow}


def _narrow(
    settings: Settings, snapshot_id: str, run_id: str, name: str, dimensions: int, share: float
) -> dict[str, Any]:
    """Quality of a student of fewer dimensions, on the main data."""
    snapshot = Snapshot.open(settings, snapshot_id)
    run = read_run(settings, snapshot, name, run_id)
    sizes = {"dimensions": dimensions, "length_share": share}
    config = replace(DistillationConfig(), **sizes)
    student = student_of(run.family, name, config)
    with tempfile.TemporaryDirectory() as scratch:
        recorder = Recorder(name, Budget.of(settings))
        context = context_for(settings, snapshot, run.dataset, run.split, recorder, "narrow")
        distil(run.family, student, run.split, replace(context, checkpoints=Path(scratch)), config)
    return sizes | run.trial().evaluate(student)


def on_beauty(data: str, name: str) -> dict[str, Any]:
    """The same forms of one seed's fit, and a student of it."""
    table = Table(Path(data), "beauty")
    folder = run(table, name, 0, Settings().home / "published")
    teacher = loaded(folder, published("beauty", name))
    assert isinstance(teacher, VectorFamily)
    split = table.split()
    windows = {"validation": split.validation, "test": split.test}
    before = {each: ndcg(teacher.scores, window, "new") for each, window in windows.items()}
    trial = Trial(windows, before, 0, "new")
    forms: dict[str, Any] = {"float32": {"milliseconds": trial.milliseconds(teacher)}}
    forms |= trial.evaluate_vectors(teacher)
    users = np.random.default_rng(0).permutation(len(split.train))[:TUNING_USERS]
    window, items = split.validation.take(np.sort(users)), table.items(split.train.item_count)
    config = replace(DistillationConfig(), dimensions=BEAUTY_DIMENSIONS)
    student = student_of(teacher, name, config)
    budget = Budget(SECONDS, MEMORY_MB)
    with training_context(window, items, budget=budget, population="new") as context:
        distil(teacher, student, split, context, config)
        fit_seconds = round(budget.spent, 1)
    forms["student"] = trial.evaluate(student) | {"fit_seconds": fit_seconds}
    forms["student int8"] = trial.evaluate_vectors(student)["int8"]
    with_int8_layers(teacher.network)  # last, since it changes the teacher
    forms["int8 layers"] = trial.evaluate(teacher)
    return {"forms": forms, "left_out": {}}


def page(figures: dict[str, Any]) -> str:
    main = {name: figures["main"][name] for name in FAMILIES}
    parts = [INTRODUCTION, _table(main), _vectors(main), *_students(main)]
    if figures["beauty"]:
        beauty = {"sasrec": figures["beauty"]}
        parts += ["Amazon Beauty, leave-one-out:", _table(beauty), *_students(beauty)]
    return "\n\n".join(parts)


def _table(families: dict[str, Any]) -> str:
    rows = []
    for name, found in families.items():
        forms = found["forms"]
        for form in (form for form in FORMS if form in forms):
            one = forms[form]
            smaller = f"{one['times_smaller']:.1f}" if "times_smaller" in one else ""
            lost = [_percent(one[window]["share"]) if window in one else "" for window in WINDOWS]
            took = [f"{one['milliseconds'][part]:.2f}" for part in ("encode", "compare", "request")]
            faster = f"{_faster(forms, form, 'encode', 'compare'):.1f}"
            rows.append([f"`{name}`", form, smaller, *lost, *took, faster])
    head = ["family", "form", "smaller", "lost on validation, %", "lost on test, %"]
    return grid([*head, "history, ms", "catalogue, ms", "request, ms", "faster"], rows)


def _vectors(families: dict[str, Any]) -> str:
    forms = [found["forms"]["int8"] for found in families.values()]
    least = min(form["times_smaller"] for form in forms)
    most = max(form[window]["share"]["mean"] for form in forms for window in WINDOWS)
    return (
        f"int8 vectors are at least {least:.1f} times smaller and lose at most {most:.2%}; the "
        f"target, {SMALLER:.0f} times for {SMALLER_LOSS:.0%}, is "
        f"{_met(least >= SMALLER and most <= SMALLER_LOSS)}."
    )


def _students(families: dict[str, Any]) -> list[str]:
    """Speed and loss of each student, alone and with int8 vectors, beside the target."""
    lines = []
    for name in (name for name in families if "student" in families[name]["forms"]):
        forms = families[name]["forms"]
        for kind in ("student", "student int8"):
            encode, request = (_faster(forms, kind, part) for part in ("encode", "request"))
            faster, share = _faster(forms, kind, "encode", "compare"), forms[kind]["test"]["share"]
            lines.append(
                f"- The {kind} of `{name}` encodes {encode:.1f} times as fast, answers a batch "
                f"{faster:.1f} times and one user {request:.1f} times as fast, and loses "
                f"{_percent(share)} % on test; the target, {FASTER:.0f} times a batch for "
                f"{FASTER_LOSS:.0%}, is {_met(faster >= FASTER and share['mean'] <= FASTER_LOSS)}."
            )
        lines += [
            f"- A student of `{name}` of {one['dimensions']} dimensions that reads "
            f"{one['length_share']:.0%} of its teacher's input loses "
            f"{_percent(one['test']['share'])} % on test."
            for one in families[name].get("narrow", ())
        ]
    return ["\n".join(lines)] if lines else []


def _faster(forms: dict[str, Any], form: str, *parts: str) -> float:
    whole, own = (
        sum(forms[one]["milliseconds"][part] for part in parts) for one in ("float32", form)
    )
    return float(whole / own)


def _met(met: bool) -> str:
    return "met" if met else "**missed**"


def _percent(share: dict[str, float]) -> str:
    return interval({name: 100 * share[name] for name in ("mean", "low", "high")}, 2)
