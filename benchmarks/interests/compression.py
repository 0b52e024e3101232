"""What a run's smaller forms save and what they lose: vectors, layers, and a distilled student.

On the main data each form is what `penchant compress` made of the run; on Amazon Beauty, where
PENCHANT_PUBLISHED_DATA points to its files, sasrec is fitted and taught under the published
protocol (leave-one-out, items that a user had are masked).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.interests.apart import apart
from benchmarks.rows import OUT
from penchant.settings import Settings
from penchant.snapshot import Snapshot

TITLE = "Smaller forms of a trained run"
FAMILIES = ("matrix_factorization", "word2vec", "content", "vae", "gru", "sasrec", "bert4rec")
TEACHERS = ("sasrec",)
TARGETS = {"int8": (4.0, 0.01), "student": (3.0, 0.03)}


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
    from training.compression.compress import compress
    from training.train import train

    settings = Settings().model_copy(update={"home": Path(home), "family_seconds": 1200.0})
    train(settings, snapshot_id, name)
    report = compress(settings, snapshot_id, name, student=name in TEACHERS)
    return {"forms": report.forms, "left_out": report.left_out}


def on_beauty(data: str, name: str) -> dict[str, Any]:
    """The same forms of one seed's fit, and a student of it."""
    import tempfile

    import numpy as np
    import torch

    from training.budget import Budget
    from training.compression.distillation import DistillationConfig, distil, student_of
    from training.compression.forms import Trial
    from training.compression.linear import with_int8_layers
    from training.compression.measuring import ndcg
    from training.configs import published
    from training.family import Bench, VectorFamily
    from training.published import MEMORY_MB, SECONDS, TUNING_USERS, Table, loaded, run

    table = Table(Path(data), "beauty")
    folder = run(table, name, 0, OUT / "published")
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
        bench = Bench(
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
        distil(teacher, student, split, bench, config)
        fit_seconds = round(bench.budget.spent, 1)
    forms["student"] = trial.judge(student) | {"fit_seconds": fit_seconds}
    forms["student int8"] = trial.judge_vectors(student)["int8"]
    with_int8_layers(teacher.network)  # last: it changes the teacher
    forms["int8 layers"] = trial.judge(teacher)
    return {"forms": forms, "left_out": {}}


BEAUTY_DIMENSIONS = 32  # the published teacher has one layer already


def page(figures: dict[str, Any]) -> str:
    parts = [INTRODUCTION, _table(figures["main"])]
    if figures["beauty"]:
        parts += ["Amazon Beauty, leave-one-out:", _table({"sasrec": figures["beauty"]})]
    return "\n\n".join(parts)


INTRODUCTION = """*Smaller*: bytes on disk of the run's vectors, or of its network, over those of
the form. *Lost*: the share of NDCG@10, user by user; below 0 it gained. Milliseconds of one thread:
*history*, to make a vector of a history, and *catalogue*, to score all items, for a user of a
batch; *request*, both for one user alone. A student starts from its teacher's embeddings, reads the
newest half of what its teacher reads, and has one layer."""


def _table(families: dict[str, Any]) -> str:
    columns = ("family", "form", "smaller", "lost on validation, %", "lost on test, %")
    head = f"| {' | '.join((*columns, 'history, ms', 'catalogue, ms', 'request, ms'))} |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for name, found in families.items():
        for form, one in found["forms"].items():
            smaller = f"{one['times_smaller']:.1f}" if "times_smaller" in one else ""
            lost = [_percent(one[window]["share"]) if window in one else "" for window in WINDOWS]
            took = [f"{one['milliseconds'][part]:.2f}" for part in ("encode", "compare", "request")]
            lines.append("| " + " | ".join([f"`{name}`", form, smaller, *lost, *took]) + " |")
    return "\n".join(lines)


WINDOWS = ("validation", "test")


def _percent(share: dict[str, float]) -> str:
    return f"{100 * share['mean']:.2f} [{100 * share['low']:.2f}, {100 * share['high']:.2f}]"
