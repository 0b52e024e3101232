"""Removing releases: renamed first, under the lock, then deleted with what they have elsewhere."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from penchant.artifacts import ReleaseManifest
from penchant.errors import DataError
from penchant.publishing.shared_stores import remove
from penchant.releases.release import MANIFEST
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX, held_alone

SWEPT_PREFIX = ".swept-"


def remove_releases(settings: Settings, release_ids: Iterable[str]) -> int:
    """Remove releases that are on disk; return their number. The pointer must not name them as
    current. Raises as ``sweep`` does.
    """
    with held_alone(settings.releases):
        found = [
            path for each in sorted(release_ids) if (path := settings.releases / each).is_dir()
        ]
        for path in found:
            path.rename(path.with_name(f"{SWEPT_PREFIX}{path.name}"))
    sweep(settings)
    return len(found)


def sweep(settings: Settings) -> None:
    """Remove renamed directories and what they have in shared stores, without a lock, so that a
    rollback need not wait. A process that has a release open keeps its files until it closes them.

    Raises PenchantError where a shared store can't be reached; the next publish tries again.
    """
    for path in settings.releases.glob(f"{SWEPT_PREFIX}*"):
        remove(settings, _attempt_of(path))
        shutil.rmtree(path, ignore_errors=True)  # another publisher may be removing it too


def _attempt_of(swept: Path) -> str:
    """Of a complete release by its manifest, else by the directory's name."""
    try:
        return ReleaseManifest.read(swept / MANIFEST).attempt
    except (FileNotFoundError, DataError):
        return swept.name.removeprefix(SWEPT_PREFIX).removeprefix(STAGING_PREFIX)
