"""How a directory becomes visible at once, and how readers find the newest one."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STAGING_PREFIX = ".staging-"


@contextmanager
def atomic_directory(final: Path) -> Iterator[Path]:
    """Yield a staging directory beside ``final``; on success it is renamed to ``final``.

    A process killed midway leaves only the staging directory, which the next attempt
    removes. ``final`` must not exist yet: what is made is immutable.
    """
    staging = final.parent / f"{STAGING_PREFIX}{final.name}"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    yield staging
    sync_files(staging)
    staging.rename(final)
    sync(final.parent)


@contextmanager
def held_alone(folder: Path) -> Iterator[None]:
    """Wait until no other process holds ``folder``; the lock of a killed process ends with it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_atomic(path: Path, text: str) -> None:
    """Replace ``path`` with ``text`` so that a reader sees the old file or the new, whole."""
    write_atomic_bytes(path, text.encode())


def write_atomic_bytes(path: Path, content: bytes) -> None:
    """``write_atomic`` for bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{STAGING_PREFIX}{path.name}")
    temporary.write_bytes(content)
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as JSON with sorted keys, atomically."""
    write_atomic(path, json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def sync(path: Path) -> None:
    """Flush one file or directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(directory: Path) -> None:
    """Flush everything below ``directory`` to the disk, folders too: they hold the names."""
    for path in directory.rglob("*"):
        sync(path)


@dataclass(frozen=True)
class Pointer:
    """The one file that says which of several immutable directories is current."""

    path: Path

    def current(self) -> str | None:
        """The id that readers should use, or None before the first flip."""
        return self._read().get("current")

    def previous(self) -> str | None:
        """The id that was current before the last flip."""
        return self._read().get("previous")

    def flip(self, to: str) -> None:
        """Make ``to`` current and remember what was; flipping to the current id is a no-op."""
        current = self.current()
        if current != to:
            write_json(self.path, {"current": to, "previous": current})

    def _read(self) -> dict[str, str | None]:
        try:
            return json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
