"""Stage ``prune``: remove old snapshots and everything made from them.

Kept are the snapshots that a pointer or a release names, the pinned ones, the newest by the time of
their build, those from whose runs the families of these start, and those that a running stage
holds. A directory is renamed before it is removed, and
a snapshot's own directory goes last: a killed prune leaves nothing that looks complete, and the
next one goes on. Old releases are removed by ``penchant publish``.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penchant.artifacts import Snapshot, TrainingStart
from penchant.artifacts.snapshot import SNAPSHOT_ID
from penchant.privacy.derived import BY_SNAPSHOT, remove_held
from penchant.releases.release import on_disk
from penchant.settings import Settings
from penchant.storage import held_alone, held_unless_in_use

PRUNED_PREFIX = ".pruned-"
FROM_LAST_TO_FIRST = tuple(reversed(BY_SNAPSHOT))


@dataclass(frozen=True)
class PruneReport:
    """``removed``: snapshot ids; ``kept``: snapshot id -> why; ``freed_bytes``: of directories."""

    removed: tuple[str, ...]
    kept: dict[str, str]
    freed_bytes: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        kept = ", ".join(f"{snapshot} ({why})" for snapshot, why in self.kept.items())
        return (
            f"removed {len(self.removed)} snapshots and what was made from them, "
            f"{self.freed_bytes / 1e6:,.0f} MB; kept {kept or 'none'}"
        )


def prune(settings: Settings) -> PruneReport:
    """Remove what the policy doesn't keep."""
    with held_alone(settings.home / "pruning"), ExitStack() as holds:
        sweep(settings)
        kept = reasons_to_keep(settings)
        removed = []
        for snapshot_id in sorted(set(snapshots_anywhere(settings)) - kept.keys()):
            if holds.enter_context(held_unless_in_use(settings.snapshot_lock(snapshot_id))):
                removed.append(snapshot_id)
            else:
                kept[snapshot_id] = "in use"
        # a pointer may have moved before the snapshots were held
        removed = [each for each in removed if each not in reasons_to_keep(settings)]
        freed = _remove(settings, removed)
    return PruneReport(tuple(removed), kept, freed)


def reasons_to_keep(settings: Settings) -> dict[str, str]:
    """Snapshot id -> the first reason to keep it."""
    found: dict[str, str] = {}
    for name, pointer in (("live", settings.live_snapshot), ("online", settings.live_features)):
        for snapshot_id, why in ((pointer.current(), name), (pointer.previous(), f"was {name}")):
            if snapshot_id:
                found.setdefault(snapshot_id, why)
    for release in on_disk(settings):
        found.setdefault(release.snapshot_id, f"release {release.id}")
    for pin in pins(settings):
        found.setdefault(pin, "pinned")
    for snapshot_id in newest(settings)[: settings.keep_snapshots]:
        found.setdefault(snapshot_id, "new")
    for snapshot_id in list(found):
        start = TrainingStart.of(settings.runs / snapshot_id)
        if start and start.cold:
            found.setdefault(start.cold, f"families of {snapshot_id} start from it")
    return found


def newest(settings: Settings) -> list[str]:
    """The complete snapshots, the last built first."""
    built = settings.snapshots.glob("s-*/snapshot.json")
    ordered = sorted(built, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [path.parent.name for path in ordered]


def snapshots_anywhere(settings: Settings) -> Iterator[str]:
    """Ids of snapshots that have a directory in any place."""
    for place in BY_SNAPSHOT:
        for path in (settings.home / place).glob("s-*"):
            if SNAPSHOT_ID.fullmatch(path.name):
                yield path.name


def pins(settings: Settings) -> list[str]:
    return sorted(path.name for path in (settings.home / "pins").glob("s-*"))


def pin(settings: Settings, snapshot_id: str, *, remove: bool = False) -> None:
    """Keep a snapshot until the pin is removed. Raises UsageError for an unknown one."""
    path = settings.home / "pins" / Snapshot.open(settings, snapshot_id).id
    if remove:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def sweep(settings: Settings) -> int:
    """Remove what a killed prune renamed; return the bytes of its files."""
    freed = 0
    for place in BY_SNAPSHOT:
        for path in (settings.home / place).glob(f"{PRUNED_PREFIX}*"):
            freed += size(path)
            shutil.rmtree(path)
    return freed


def _remove(settings: Settings, snapshots: Sequence[str]) -> int:
    for snapshot_id in snapshots:
        for place in FROM_LAST_TO_FIRST:
            path = settings.home / place / snapshot_id
            if path.exists():
                path.rename(path.with_name(f"{PRUNED_PREFIX}{snapshot_id}"))
    if snapshots:
        remove_held(settings, snapshots)  # MLflow's runs
    return sweep(settings)


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
