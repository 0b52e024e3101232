"""What a run's smaller forms save and what they lose: vectors, layers, and a distilled student.

On the main data each form is what `penchant compress` made of the run; on Amazon Beauty, where
PENCHANT_PUBLISHED_DATA points to its files, sasrec is fitted and taught under the published
protocol (leave-one-out, items that a user had are masked).
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.isolated import apart
from penchant.artifacts import Snapshot
from penchant.settings import Settings

TITLE = "Smaller forms of a trained run"
FAMILIES = ("matrix_factorization", "word2vec", "content", "vae", "gru", "sasrec", "bert4rec")
TEACHERS = ("sasrec",)
SMALLER, SMALLER_LOSS = 4.0, 0.01  # int8 vectors: times, and the share of NDCG@10 at most
FASTER, FASTER_LOSS = 3.0, 0.03  # a student
NARROW = ((48, 0.5), (32, 0.5))
"""Other students that are tried: dimensions, and the share that they read of what the teacher
reads."""


def measure(settings: Settings) -> dict[str, Any]:
    snapshot_id = Snapshot.live(settings).id
    home = str(settings.home)
    figures: dict[str, Any] = {
        "main": {
            name: apart(
                "compression:on_snapshot", home=home, snapshot_id=snapshot_id, name=name
            ).value
            for name in FAMILIES
        },
        "beauty": None,
    }
    if settings.published_data:
        data = str(settings.published_data)
        figures["beauty"] = apart("compression:on_beauty", data=data, name="sasrec").value
    return figures


def on_snapshot(home: str, snapshot_id: str, name: str) -> dict[str, Any]:
    from training.commands.train import train
    from training.compression.compress import compress

    settings = Settings().model_copy(update={"home": Path(home), "family_seconds": 1200.0})
    train(settings, snapshot_id, name)
    report = compress(settings, snapshot_id, name, student=name in TEACHERS)
    narrow = [
        _narrow(settings, snapshot_id, report.run_id, name, dimensions, length_share)
        for dimensions, length_share in (NARROW if name in TEACHERS else ())
    ]
    return {"forms": report.forms, "left_out": report.left_out, "narrow": narrow}


def _narrow(
    settings: Settings,
    snapshot_id: str,
    run_id: str,
    name: str,
    dimensions: int,
    length_share: float,
) -> dict[str, Any]:
    """What a student of fewer dimensions is worth, on the main data."""
    from training.commands.train import context_for
    from training.compression.compress import read_run
    from training.compression.distillation import DistillationConfig, distil, student_of
    from training.fitting.budget import Budget
    from training.fitting.progress import Recorder

    snapshot = Snapshot.open(settings, snapshot_id)
    run = read_run(settings, snapshot, name, run_id)
    config = replace(DistillationConfig(), dimensions=dimensions, length_share=length_share)
    student = student_of(run.family, name, config)
    with tempfile.TemporaryDirectory() as scratch:
        recorder = Recorder(name, Budget.of(settings))
        context = context_for(settings, snapshot, run.dataset, run.split, recorder, "narrow")
        distil(run.family, student, run.split, replace(context, checkpoints=Path(scratch)), config)
    return {"dimensions": dimensions, "length_share": length_share} | run.trial().evaluate(student)


def on_beauty(data: str, name: str) -> dict[str, Any]:
    """The same forms of one seed's fit, and a student of it."""
    import numpy as np
    import torch

    from training.commands.published_tables import (
        MEMORY_MB,
        SECONDS,
        TUNING_USERS,
        Table,
        loaded,
        run,
    )
    from training.compression.distillation import DistillationConfig, distil, student_of
    from training.compression.forms import Trial
    from training.compression.linear import with_int8_layers
    from training.compression.measuring import ndcg
    from training.configs import published
    from training.fitting.budget import Budget
    from training.fitting.context import TrainingContext
    from training.fitting.family import VectorFamily

    table = Table(Path(data), "beauty")
    folder = run(table, name, 0, Settings().home / "published")
    teacher = loaded(folder, published("beauty", name))
    assert isinstance(teacher, VectorFamily)
    split = table.split()
    windows = {"validation": split.validation, "test": split.test}
    before = {each: ndcg(teacher.scores, window, "new") for each, window in windows.items()}
    trial = Trial(windows, before, 0, "new")
    forms: dict[str, Any] = {"float32": {"milliseconds": trial.milliseconds(teacher)}}
    forms |= trial.judge_vectors(teacher)
    users = np.random.default_rng(0).permutation(len(split.train))[:TUNING_USERS]
    with tempfile.TemporaryDirectory() as scratch:
        context = TrainingContext(
            split.validation.take(np.sort(users)),
            table.items(split.train.item_count),
            torch.device("cpu"),
            0,
            Budget(SECONDS, MEMORY_MB),
            Path(scratch),
            population="new",
        )
        config = replace(DistillationConfig(), dimensions=BEAUTY_DIMENSIONS)
        student = student_of(teacher, name, config)
        distil(teacher, student, split, context, config)
        fit_seconds = round(context.budget.spent, 1)
    forms["student"] = trial.evaluate(student) | {"fit_seconds": fit_seconds}
    forms["student int8"] = trial.judge_vectors(student)["int8"]
    with_int8_layers(teacher.network)  # last: it changes the teacher
    forms["int8 layers"] = trial.evaluate(teacher)
    return {"forms": forms, "left_out": {}}


BEAUTY_DIMENSIONS = 32  # the published teacher has one layer already


def page(figures: dict[str, Any]) -> str:
    main = {name: figures["main"][name] for name in FAMILIES}
    parts = [INTRODUCTION, _table(main), _of_vectors(main), *_of_students(main)]
    if figures["beauty"]:
        beauty = {"sasrec": figures["beauty"]}
        parts += ["Amazon Beauty, leave-one-out:", _table(beauty), *_of_students(beauty)]
    return "\n\n".join(parts)


INTRODUCTION = """*Smaller*: bytes on disk of the run's vectors, or of its network, over those of
the form. *Lost*: the share of NDCG@10, user by user; below 0 it gained. Milliseconds of one thread:
*history*, to make a vector of a history, and *catalogue*, to score all items, for a user of a
batch; *request*, both for one user alone. *Faster*: the run's history and catalogue over the
form's. A student starts from its teacher's embeddings, reads the newest half of what its teacher
reads, and has one layer; its int8 form has the student's vectors as int8."""


def _table(families: dict[str, Any]) -> str:
    columns = ("family", "form", "smaller", "lost on validation, %", "lost on test, %")
    head = f"| {' | '.join((*columns, 'history, ms', 'catalogue, ms', 'request, ms', 'faster'))} |"
    lines = [head, "|---|---|---|---|---|---|---|---|---|"]
    for name, found in families.items():
        for kind in (kind for kind in ORDER if kind in found["forms"]):
            one = found["forms"][kind]
            smaller = f"{one['times_smaller']:.1f}" if "times_smaller" in one else ""
            lost = [_percent(one[window]["share"]) if window in one else "" for window in WINDOWS]
            took = [f"{one['milliseconds'][part]:.2f}" for part in ("encode", "compare", "request")]
            faster = f"{_faster(found['forms'], kind):.1f}"
            lines.append(
                "| " + " | ".join([f"`{name}`", kind, smaller, *lost, *took, faster]) + " |"
            )
    return "\n".join(lines)


WINDOWS = ("validation", "test")
ORDER = ("float32", "half", "int8", "int8 layers", "student", "student int8")


def _of_vectors(families: dict[str, Any]) -> str:
    forms = [found["forms"]["int8"] for found in families.values()]
    least = min(form["times_smaller"] for form in forms)
    most = max(form[window]["share"]["mean"] for form in forms for window in WINDOWS)
    return (
        f"int8 vectors are {least:.1f} times smaller or more and lose {most:.2%} at most; the aim, "
        f"{SMALLER:.0f} times for {SMALLER_LOSS:.0%}, is "
        f"{_met(least >= SMALLER and most <= SMALLER_LOSS)}."
    )


def _of_students(families: dict[str, Any]) -> list[str]:
    """What each student is worth, alone and with int8 vectors, beside the aim."""
    said = []
    for name in (name for name in families if "student" in families[name]["forms"]):
        forms = families[name]["forms"]
        for kind in ("student", "student int8"):
            faster, share = _faster(forms, kind), forms[kind]["test"]["share"]
            alone = forms["float32"]["milliseconds"]["request"]
            request = alone / forms[kind]["milliseconds"]["request"]
            encode = _encoding(forms["float32"]) / _encoding(forms[kind])
            said.append(
                f"The {kind} of `{name}` makes a vector {encode:.1f} times as fast, answers a "
                f"batch {faster:.1f} times and one user {request:.1f} times as fast, and loses "
                f"{_percent(share)} % on test; the aim, {FASTER:.0f} times a batch for "
                f"{FASTER_LOSS:.0%}, is "
                f"{_met(faster >= FASTER and share['mean'] <= FASTER_LOSS)}."
            )
        for one in families[name].get("narrow", ()):
            said.append(
                f"A student of `{name}` of {one['dimensions']} dimensions that reads "
                f"{one['length_share']:.0%} of what its teacher reads loses "
                f"{_percent(one['test']['share'])} % on test."
            )
    return ["\n".join(f"- {one}" for one in said)] if said else []


def _encoding(form: dict[str, Any]) -> float:
    return float(form["milliseconds"]["encode"])


def _faster(forms: dict[str, Any], kind: str) -> float:
    whole, form = (
        sum(forms[one]["milliseconds"][part] for part in ("encode", "compare"))
        for one in ("float32", kind)
    )
    return float(whole / form)


def _met(met: bool) -> str:
    return "met" if met else "**missed**"


def _percent(share: dict[str, float]) -> str:
    return f"{100 * share['mean']:.2f} [{100 * share['low']:.2f}, {100 * share['high']:.2f}]"
