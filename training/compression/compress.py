"""The `compress` stage: compressed forms of a run, each with its size, latency and lost NDCG.

Output: ``compressed/<run id>`` beside the runs, created once, with int8 and half-precision vectors,
the network with int8 layers, and a record. A student (distillation.py) needs a fit, so it is made
on request, in ``compressed/<run id>-student``. ``penchant publish`` reads vectors and record.
"""

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import pyarrow.compute as pc
import structlog
from safetensors.torch import save_file

from penchant import vectors
from penchant.artifacts import CompressionRecord, ModelSelection, Snapshot
from penchant.encryption import parquet as pq
from penchant.encryption.encrypted_file import protect_files
from penchant.encryption.home_files import PLACES
from penchant.errors import NothingToDo, UsageError
from penchant.settings import Settings
from penchant.storage import atomic_directory
from training.commands.run_identity import run_id_of
from training.commands.starting import start_of
from training.commands.train import context_for, read_checked
from training.compression.distillation import DistillationConfig, distil, student_of
from training.compression.forms import Trial
from training.compression.linear import with_int8_layers
from training.compression.measuring import METRIC
from training.configs import config_for
from training.data.histories import Dataset
from training.data.split import Split, split_by_time
from training.fitting.budget import Budget
from training.fitting.factory import make
from training.fitting.family import VectorFamily
from training.fitting.progress import Recorder
from training.fitting.weights import read_weights
from training.layers.sequences.next_item import NextItem
from training.names import check_name

SIDES = {"user_vectors": "user_id", "item_vectors": "item_id"}

log = structlog.get_logger()


@dataclass(frozen=True)
class CompressReport:
    """``forms``: each with its bytes, milliseconds and NDCG@10 lost; ``left_out``: form -> why."""

    run_id: str
    status: str
    forms: dict[str, dict[str, Any]]
    left_out: dict[str, str]

    def summary(self) -> str:
        said = [
            f"{name} {form['times_smaller']:.1f}x smaller, "
            f"{100 * form['validation']['share']['mean']:+.2f} % of validation {METRIC} lost"
            for name, form in self.forms.items()
            if "validation" in form
        ]
        return f"{self.status} {self.run_id}: {'; '.join(said)}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Run:
    """A run that has vectors, as it was fitted, with the data it was fitted on."""

    folder: Path
    name: str
    family: VectorFamily
    dataset: Dataset
    split: Split
    seed: int

    def trial(self) -> Trial:
        """Both windows, with what the run itself is worth on them, as its record has it."""
        windows = {"validation": self.split.validation, "test": self.split.test}
        row_of = {user: row for row, user in enumerate(self.dataset.user_ids)}
        wanted = pc.field("population") == "all"
        table = pq.read_table(self.folder / "per_user.parquet", filters=wanted)
        before: dict[str, dict[int, float]] = {name: {} for name in windows}
        rows = zip(
            *(table[name].to_pylist() for name in ("window", "user_id", METRIC)), strict=True
        )
        for window, user, value in rows:
            before[window][row_of[user]] = value
        return Trial(windows, before, self.seed)


def compress(
    settings: Settings,
    snapshot_id: str,
    family: str | None = None,
    run_id: str | None = None,
    student: bool = False,
) -> CompressReport:
    """Make the smaller forms of a run, of the selected retriever's where none is named; do nothing
    where they are there.

    Raises UsageError for a run that isn't there or has no vectors, NothingToDo where popularity
    serves, and PenchantError when a student is over budget: then nothing of it is left.
    """
    snapshot = Snapshot.open(settings, snapshot_id)
    name, run_id = _asked(settings, snapshot, family, run_id)
    final = CompressionRecord.folder(settings.runs / snapshot.id / run_id)
    wanted = [(final, _write_forms)]
    if student:  # first, because it may be impossible
        wanted.insert(0, (final.with_name(f"{run_id}-student"), _write_student))
    missing = [(folder, make_it) for folder, make_it in wanted if not folder.exists()]
    if missing:
        budget = Budget.of(settings)
        with budget.enforced():
            run = read_run(settings, snapshot, name, run_id)
            for folder, make_it in missing:
                with atomic_directory(folder) as staging:
                    record = make_it(settings, snapshot, run, staging, budget)
                    protect_files(staging, PLACES["runs"])
                    written = CompressionRecord(run_id=run_id, family=name, **record)
                    written.write(CompressionRecord.path(staging))
    return _report(run_id, "compressed" if missing else "unchanged", [each for each, _ in wanted])


def _asked(
    settings: Settings, snapshot: Snapshot, family: str | None, run_id: str | None
) -> tuple[str, str]:
    """The family and the run that are meant."""
    if family is None and run_id is None:
        run_id = _retriever(settings, snapshot)
    name = family or str(run_id).rpartition("-")[0]
    check_name(name)
    config = config_for(settings, name)
    parent = start_of(settings, snapshot, name, config).parent_id
    expected = run_id_of(snapshot, name, config, settings.seed, parent=parent)
    if run_id not in (None, expected):
        raise UsageError(
            f"run {run_id} is not one of {name} with this config, seed and code",
            f"run `penchant train --family {name} --snapshot {snapshot.id}`, and choose, again",
        )
    if not (settings.runs / snapshot.id / expected).exists():
        raise UsageError(
            f"{name} has no run on snapshot {snapshot.id}",
            f"run `penchant train --family {name} --snapshot {snapshot.id}` first",
        )
    return name, expected


def _retriever(settings: Settings, snapshot: Snapshot) -> str:
    retriever = ModelSelection.of(settings, snapshot.id).retriever
    if retriever is None:
        raise NothingToDo(
            f"popularity serves on snapshot {snapshot.id}, and has no vectors",
            "name a family with vectors to compress it all the same",
        )
    return retriever


def read_run(settings: Settings, snapshot: Snapshot, name: str, run_id: str) -> Run:
    """A run as it was fitted. Raises UsageError where its family has no vectors."""
    family = make(name, config_for(settings, name))
    if not isinstance(family, VectorFamily):
        raise UsageError(
            f"{name} has no vectors to compress",
            "compress a family that has: its run's capabilities say `vectors`",
        )
    folder = settings.runs / snapshot.id / run_id
    family.load_state(read_weights(folder / "model.safetensors"))
    dataset = read_checked(snapshot)
    split = split_by_time(dataset.histories)
    return Run(folder, name, family, dataset, split, settings.seed)


def _write_forms(
    settings: Settings, snapshot: Snapshot, run: Run, folder: Path, budget: Budget
) -> dict[str, Any]:
    trial = run.trial()
    whole = sum((run.folder / f"{side}.parquet").stat().st_size for side in SIDES)
    forms: dict[str, dict[str, Any]] = {
        vectors.FLOAT: {"bytes": whole, "milliseconds": trial.milliseconds(run.family)}
    }
    for kind, figures in trial.evaluate_vectors(run.family).items():
        written = sum(path.stat().st_size for path in _write_vectors(run.folder, folder, kind))
        forms[kind] = {"bytes": written, "times_smaller": whole / written, **figures}
        log.info("compressed", form=kind, **figures["validation"])
    smaller = copy.deepcopy(run.family)
    if isinstance(smaller, NextItem) and with_int8_layers(smaller.network):
        forms["int8 layers"] = _network(run, smaller, folder / "model.int8.safetensors", trial)
        left_out = {}
    else:
        left_out = {"int8 layers": f"{run.name} has no linear layers"}
    return {"forms": forms, "left_out": left_out}


def _write_vectors(run: Path, folder: Path, kind: str) -> Iterator[Path]:
    """Both sides' vectors as the run has them for serving, in one kind; gives the files."""
    tables = {side: pq.read_table(run / f"{side}.parquet") for side in SIDES}
    plain = {side: vectors.matrix(table) for side, table in tables.items()}
    framed = vectors.frames(kind, plain["user_vectors"], plain["item_vectors"])
    for (side, key), frame in zip(SIDES.items(), framed, strict=True):
        path = folder / f"{side}.{kind}.parquet"
        vectors.write(path, vectors.table(key, tables[side][key], frame.encode(plain[side])))
        yield path


def _network(run: Run, family: NextItem, path: Path, trial: Trial) -> dict[str, Any]:
    """Write a smaller network of the same family, and evaluate it."""
    save_file({key: tensor.contiguous() for key, tensor in family.state().items()}, path)
    whole, written = (run.folder / "model.safetensors").stat().st_size, path.stat().st_size
    figures = trial.evaluate(family)
    log.info("compressed", form=path.name, **figures["validation"])
    return {"bytes": written, "times_smaller": whole / written, **figures}


def _write_student(
    settings: Settings, snapshot: Snapshot, run: Run, folder: Path, budget: Budget
) -> dict[str, Any]:
    config = DistillationConfig()
    student = student_of(run.family, run.name, config)
    recorder = Recorder(run.name, budget)
    context = context_for(settings, snapshot, run.dataset, run.split, recorder, folder.name)
    begun = budget.spent
    distil(run.family, student, run.split, context, config)
    fit_seconds = round(budget.spent - begun, 2)
    rmtree(context.checkpoints, ignore_errors=True)
    student.load_state(student.state())  # on the CPU, where forms are evaluated
    trial = run.trial()
    forms = {"student": _network(run, student, folder / "model.safetensors", trial)}
    forms["student int8"] = forms["student"] | trial.evaluate_vectors(student)[vectors.INT8]
    return {
        "distillation": asdict(config),
        "config": asdict(student.config),
        "fit_seconds": fit_seconds,
        "forms": forms,
        "left_out": {},
    }


def _report(run_id: str, status: str, folders: list[Path]) -> CompressReport:
    records = [CompressionRecord.read(CompressionRecord.path(folder)) for folder in folders]
    forms = {name: form for record in records for name, form in record.forms.items()}
    left_out = {name: why for record in records for name, why in record.left_out.items()}
    return CompressReport(run_id, status, forms, left_out)
