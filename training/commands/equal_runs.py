"""Runs of other snapshots with the same inputs, which a snapshot adopts instead of training."""

import errno
import os
import shutil
from pathlib import Path

from penchant.artifacts import RunFailure, RunRecord, Snapshot
from penchant.artifacts.run import FAILED
from penchant.settings import Settings
from penchant.storage import atomic_directory, held_alone
from training.commands.run_identity import inputs_of

NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


def has_equal_snapshot(settings: Settings, snapshot: Snapshot, family: str) -> bool:
    """Whether another snapshot with runs has the same inputs for a family."""
    for path in sorted(settings.runs.glob("s-*")):
        if path.name != snapshot.id and (settings.snapshots / path.name).is_dir():
            other = Snapshot.open(settings, path.name)
            if other.as_of == snapshot.as_of and inputs_of(other, family) == inputs_of(
                snapshot, family
            ):
                return True
    return False


def adopt_equal_run(settings: Settings, snapshot_id: str, run_id: str) -> bool:
    """Make the run with this id a run of the snapshot too, if another snapshot has it.

    Files are immutable, so they are linked; the record names the new snapshot. So does the record
    of an attempt that found nothing to learn from. Returns whether there was one.
    """
    folder = settings.runs / snapshot_id
    with held_alone(settings.runs):  # two stages of a snapshot may adopt at once
        if (folder / run_id).exists():
            return False
        return _adopt_run(settings, folder, run_id) or _adopt_failure(settings, folder, run_id)


def _adopt_run(settings: Settings, folder: Path, run_id: str) -> bool:
    for other in sorted(settings.runs.glob(f"s-*/{run_id}/run.json")):
        try:
            with atomic_directory(folder / run_id) as staging:
                shutil.copytree(other.parent, staging, copy_function=_link, dirs_exist_ok=True)
                adopted = RunRecord.read(other).model_copy(update={"snapshot_id": folder.name})
                adopted.write(RunRecord.path(staging))  # a new file in place of the link
        except (FileNotFoundError, shutil.Error):
            continue  # it was pruned meanwhile
        return True
    return False


def _adopt_failure(settings: Settings, folder: Path, run_id: str) -> bool:
    family = run_id.rpartition("-")[0]
    for other in sorted(settings.runs.glob(f"s-*/{FAILED}/{family}.json")):
        failure = RunFailure.read(other)
        if failure.run_id == run_id and failure.nothing_to_do:
            failure.model_copy(update={"snapshot_id": folder.name}).write(
                RunFailure.path(folder, family)
            )
            return True
    return False


def _link(source: str, target: str) -> None:
    """A hard link, or a copy on a file system without links."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copy2(source, target)
