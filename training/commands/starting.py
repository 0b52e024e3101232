"""What a run starts from: nothing, or the run of the last cold snapshot. Imports no torch.

A snapshot is cold, or its families start warm from one cold snapshot: never from a warm run, so a
warm run depends on one other run, whose id is a part of its own. Which one is decided once for a
snapshot, before its first training (``TrainingStart``); ids follow from that record and from the
runs on disk.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from penchant.artifacts import RunRecord, Snapshot, TrainingStart
from penchant.encryption import parquet as pq
from penchant.settings import Settings
from penchant.storage import held_alone
from penchant.subjects import Subjects
from training.commands.run_identity import code_version, inputs_of, run_id_of
from training.names import STARTS_WARM

log = structlog.get_logger()


class Start(NamedTuple):
    """``parent``: the run to start from. ``why_cold``: why there is none; None for a family that
    never starts warm, and without PENCHANT_WARM_DAYS."""

    parent: RunRecord | None = None
    why_cold: str | None = None

    @property
    def parent_id(self) -> str | None:
        return self.parent.run_id if self.parent else None


def start_of(settings: Settings, snapshot: Snapshot, family: str, config: Any) -> Start:
    """What the run of a family on a snapshot starts from, by what was decided for the snapshot."""
    if not settings.warm_days or family not in STARTS_WARM:
        return Start()
    decided = TrainingStart.of(settings.runs / snapshot.id)
    if decided is None:
        return Start(why_cold="the snapshot has not been planned")
    if decided.cold is None:
        return Start(why_cold=decided.why)
    if settings.dp_epsilon is not None:
        return Start(why_cold="under differential privacy a run depends on no other")
    if family in decided.drifted:
        return Start(why_cold=f"its warm runs have drifted from that on {decided.cold}")
    if not _is_complete(settings, decided.cold):
        return Start(why_cold=f"snapshot {decided.cold} was removed")
    cold = Snapshot.open(settings, decided.cold)
    if inputs_of(cold, family) == inputs_of(snapshot, family):
        return Start(why_cold=f"its inputs are those of {cold.id}, whose run is the same")
    run_id = run_id_of(cold, family, config, settings.seed)
    path = RunRecord.path(settings.runs / cold.id / run_id)
    if not path.exists():
        return Start(why_cold=f"{cold.id} has no run of it with this configuration and code")
    return Start(RunRecord.read(path))


def decide_start(settings: Settings, snapshot_id: str) -> None:
    """Decide and record what the families of a snapshot start from, unless it is recorded."""
    if not settings.warm_days:
        return
    snapshot = Snapshot.open(settings, snapshot_id)
    path = TrainingStart.path(settings.runs / snapshot_id)
    with held_alone(settings.runs):  # several stages of a snapshot may ask first
        if not path.exists():
            start = _decided(settings, snapshot)
            start.write(path)
            log.info("start of training", cold=start.cold, why=start.why, drifted=start.drifted)


def parents_of(settings: Settings, snapshot_id: str, family: str) -> list[str]:
    """All that ``start_of`` can depend on beside settings and code: what was decided, and the runs
    of the family on the cold snapshot."""
    decided = TrainingStart.of(settings.runs / snapshot_id)
    if decided is None or decided.cold is None or family in decided.drifted:
        return []
    complete = _is_complete(settings, decided.cold)
    runs = sorted((settings.runs / decided.cold).glob(f"{family}-*/run.json")) if complete else []
    return [decided.cold, *(path.parent.name for path in runs)]


def has_drifted(record: RunRecord, parent: RunRecord) -> bool:
    """Whether a warm run validates below the 95 % interval of the run that it started from."""
    warm, cold = (each.validation_metrics["all"]["ndcg@10"] for each in (record, parent))
    return warm["mean"] < cold["low"]


def _decided(settings: Settings, snapshot: Snapshot) -> TrainingStart:
    def all_cold(why: str) -> TrainingStart:
        return TrainingStart(snapshot_id=snapshot.id, cold=None, why=why)

    if _has_runs(settings.runs / snapshot.id):
        return all_cold("it was trained before PENCHANT_WARM_DAYS was set")
    earlier = [
        each
        for each in _trained(settings)
        if each.id != snapshot.id and each.as_of <= snapshot.as_of and _is_cold(settings, each.id)
    ]
    if not earlier:
        return all_cold("no earlier snapshot has cold runs")
    cold = max(earlier, key=lambda each: (each.as_of, each.id))
    if why := _why_not(settings, snapshot, cold):
        return all_cold(why)
    return TrainingStart(
        snapshot_id=snapshot.id, cold=cold.id, drifted=_drifted(settings, snapshot, cold)
    )


def _why_not(settings: Settings, snapshot: Snapshot, cold: Snapshot) -> str | None:
    """Why families of a snapshot can't start from a cold one."""
    if snapshot.as_of - cold.as_of > timedelta(days=settings.warm_days):
        return f"{cold.id} is more than {settings.warm_days} days older"
    if set(cold.description.landed) - set(snapshot.description.landed):
        return f"rows that {cold.id} was built from have been removed since"
    subjects = Subjects(settings)
    if any(cold.id in request.affected for request in subjects.requests()):
        return f"people whom {cold.id} has were erased since"
    learned_from = pq.read_table(cold.mart("sequences"), columns=["user_id"])["user_id"]
    if not set(subjects.objecting()).isdisjoint(learned_from.to_pylist()):
        return f"people whom {cold.id} has don't want to be profiled"
    if _target(cold) != _target(snapshot):
        return f"{cold.id} has another event type to predict"
    families = _families(settings.runs / cold.id)
    if any(record.code_version != code_version(record.family) for record in families):
        return f"the code of families has changed since {cold.id} was trained"
    return None


def _target(snapshot: Snapshot) -> object:
    column = "target_event_type"
    return pq.read_table(snapshot.mart("sequences"), columns=[column])[column][0].as_py()


def _drifted(settings: Settings, snapshot: Snapshot, cold: Snapshot) -> tuple[str, ...]:
    """Families of which a warm run between the two snapshots has drifted."""
    found = set()
    for each in _trained(settings):
        start = TrainingStart.of(settings.runs / each.id)
        if start and start.cold == cold.id and each.as_of < snapshot.as_of:
            families = _families(settings.runs / each.id)
            found |= {record.family for record in families if record.drifted}
    return tuple(sorted(found))


def _trained(settings: Settings) -> list[Snapshot]:
    """The snapshots that have runs."""
    return [
        Snapshot.open(settings, runs.name)
        for runs in sorted(settings.runs.glob("s-*"))
        if _is_complete(settings, runs.name) and _has_runs(runs)
    ]


def _is_cold(settings: Settings, snapshot_id: str) -> bool:
    start = TrainingStart.of(settings.runs / snapshot_id)
    return start is None or start.cold is None


def _is_complete(settings: Settings, snapshot_id: str) -> bool:
    return (settings.snapshots / snapshot_id / "snapshot.json").is_file()


def _has_runs(runs: Path) -> bool:
    return any(runs.glob("*/run.json"))


def _families(runs: Path) -> list[RunRecord]:
    """The runs of families that start warm."""
    records = (RunRecord.read(path) for path in sorted(runs.glob("*/run.json")))
    return [each for each in records if each.family in STARTS_WARM]
