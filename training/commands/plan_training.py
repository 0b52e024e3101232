"""The `plan-training` stage: the families that have to be trained on a snapshot.

Run ids are cached with a hash of code and settings. Only a change of these imports the families,
and torch with them.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from penchant.artifacts import RunFailure, RunRecord, Snapshot
from penchant.settings import PROJECT_ROOT, Settings
from penchant.storage import write_json
from training.commands.equal_runs import adopt_equal_run, has_equal_snapshot
from training.commands.starting import decide_start, parents_of
from training.names import COMBINED, FAMILIES, OF_RUNS, RANKERS, STARTS_WARM, trainable

FIRST = ("popularity", "personal_frequency", "item_cf", "matrix_factorization")
"""The families of the first release: the fastest with useful recommendations."""
LONGEST = ("gan", "transfer", "hstu", "sasrec", "vae", "content", "ncf", "lstm", "cnn_lstm")
RANKING = (*LONGEST, *(family for family in RANKERS if family not in (*FIRST, *LONGEST)))
"""The others that rank, longest run first, so that no slot is idle while the last one trains."""
OTHERS = tuple(family for family in FAMILIES if family not in (*FIRST, *RANKING, *COMBINED))
"""The families that don't rank. No combination waits for them."""
GROUPS = {"first": FIRST, "ranking": RANKING, "others": OTHERS}
"""The mapped tasks of the DAG `train_families`."""
CODE = ("penchant", "training")


@dataclass(frozen=True)
class TrainingPlan:
    """``subcommands``: of ``penchant``, one per missing run."""

    snapshot_id: str
    families: int
    subcommands: list[list[str]]

    def summary(self) -> str:
        return f"{len(self.subcommands)} of {self.families} families to train"

    def as_dict(self) -> dict[str, Any]:
        return {"snapshot_id": self.snapshot_id, "subcommands": self.subcommands}


def plan_training(settings: Settings, snapshot_id: str, families: Sequence[str]) -> TrainingPlan:
    """Plan the runs of ``families`` that don't exist, except those with nothing to learn from
    and, with PENCHANT_DP_EPSILON, those that can't be trained under differential privacy.

    A run of another snapshot with equal inputs is adopted.
    Raises UsageError for an unknown snapshot.
    """
    snapshot = Snapshot.open(settings, snapshot_id)
    decide_start(settings, snapshot_id)
    families = [family for family in families if family in trainable(settings.dp_epsilon)]
    for family in families:
        if has_equal_snapshot(settings, snapshot, family):
            adopt_equal_run(settings, snapshot_id, cached_run_id(settings, snapshot_id, family))
    missing = [
        family
        for family in families
        if not finished_run(settings, snapshot_id, family)
        and not nothing_to_learn(settings, snapshot_id, family)
    ]
    subcommands = [
        ["train", "--family", family, "--snapshot", snapshot_id, "--no-track"] for family in missing
    ]
    return TrainingPlan(snapshot_id, len(families), subcommands)


def finished_run(settings: Settings, snapshot_id: str, family: str) -> RunRecord | None:
    """The run of a family on a snapshot with the current code and config, if it exists."""
    Snapshot.open(settings, snapshot_id)
    if not any((settings.runs / snapshot_id).glob(f"{family}-*")):
        return None
    run_id = cached_run_id(settings, snapshot_id, family)
    path = RunRecord.path(settings.runs / snapshot_id / run_id)
    return RunRecord.read(path) if path.exists() else None


def nothing_to_learn(settings: Settings, snapshot_id: str, family: str) -> RunFailure | None:
    """The recorded attempt of the current run that found nothing to learn from, if there is one."""
    path = RunFailure.path(settings.runs / snapshot_id, family)
    failure = RunFailure.read(path) if path.exists() else None
    if failure is None or not failure.nothing_to_do:
        return None
    current = failure.run_id == cached_run_id(settings, snapshot_id, family)
    return failure if current else None


def cached_run_id(settings: Settings, snapshot_id: str, family: str) -> str:
    """``run_id_for`` of a family, from a cache in the home."""
    path = settings.home / "run_ids" / snapshot_id / f"{family}.json"
    key = cache_key(settings, snapshot_id, family)
    cached = json.loads(path.read_text()) if path.exists() else {}
    if cached.get("key") != key:
        from training.commands.train import run_id_for

        cached = {"key": key, "run_id": run_id_for(settings, snapshot_id, family)}
        write_json(path, cached)
    return str(cached["run_id"])


def cache_key(settings: Settings, snapshot_id: str, family: str) -> str:
    """Hash of all that a run id can depend on: code, settings, what it may start from, and the
    members of a combination."""
    parts = [code_hash(PROJECT_ROOT), settings.model_dump_json()]
    if settings.warm_days and family in STARTS_WARM:
        parts.append(json.dumps(parents_of(settings, snapshot_id, family)))
    if family in OF_RUNS:
        runs = (finished_run(settings, snapshot_id, member) for member in RANKERS)
        parts += [run.run_id for run in runs if run]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def code_hash(root: Path) -> str:
    """Hash of every Python file that a training run may import."""
    digest = hashlib.sha256()
    for package in CODE:
        for file in sorted((root / package).rglob("*.py")):
            digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return digest.hexdigest()
