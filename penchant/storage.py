"""How a directory becomes visible at once, and how readers find the newest one."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from penchant.errors import DataError

STAGING_PREFIX = ".staging-"
PRIVATE = 0o600
MAX_LOADED_BYTES = 64 << 20
MAX_POINTER_BYTES = 1 << 16


@contextmanager
def atomic_directory(final: Path) -> Iterator[Path]:
    """Yield a staging directory beside ``final``; on success it is renamed to ``final``.

    A process killed midway leaves only the staging directory, which the next attempt
    removes. ``final`` must not exist yet: what is made is immutable.
    """
    staging = final.parent / f"{STAGING_PREFIX}{final.name}"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        yield staging
        sync_files(staging)
        staging.rename(final)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)  # the disk may be full
        raise
    sync(final.parent)


@contextmanager
def held_alone(folder: Path) -> Iterator[None]:
    """Wait until no other process holds ``folder``; the lock of a killed process ends with it."""
    with locked(folder / ".lock"):
        yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """``held_alone`` for a lock file of any name."""
    flags = os.O_RDWR | os.O_CREAT
    try:
        lock = os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, flags, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def hold(lock: Path) -> None:
    """Hold a shared lock until this process ends, however it ends. Waits for an exclusive one."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o644)  # kept open on purpose
    fcntl.flock(descriptor, fcntl.LOCK_SH)


@contextmanager
def held_unless_in_use(lock: Path) -> Iterator[bool]:
    """Hold a lock that no process holds; False if one does."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def write_atomic(path: Path, text: str, mode: int = 0o666) -> None:
    """Replace ``path`` with ``text`` so that a reader sees the old file or the new, whole.

    ``mode``: permissions of the file, less the process's umask.
    """
    write_atomic_bytes(path, text.encode(), mode)


def write_atomic_bytes(path: Path, content: bytes, mode: int = 0o666) -> None:
    """``write_atomic`` for bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{STAGING_PREFIX}{path.name}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 -- of a descriptor
            file.write(content)
        sync(temporary)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(path)
    sync(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside an existing file, for what replaces it when the block ends, with its mode. A
    kill leaves the old file or the new."""
    staging = path.with_name(f"{STAGING_PREFIX}{path.name}")
    try:
        yield staging
        staging.chmod(path.stat().st_mode & 0o777)
        sync(staging)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise
    staging.replace(path)
    sync(path.parent)


def write_private(path: Path, text: str) -> None:
    """``write_atomic``, readable by the owner only from its first byte."""
    write_atomic(path, text, PRIVATE)


def write_json(path: Path, value: object, mode: int = 0o666) -> None:
    """Write ``value`` as JSON with sorted keys, atomically."""
    write_atomic(path, json.dumps(value, indent=2, sort_keys=True, default=str) + "\n", mode)


def is_mapped(path: Path) -> bool:
    """Whether readers map a file into memory, instead of loading it.

    A mapped file that another process truncates kills its readers (SIGBUS), a loaded one doesn't;
    but large files are shared by the processes of a machine.
    """
    return path.stat().st_size > MAX_LOADED_BYTES


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
            descriptor = os.open(self.path, os.O_RDONLY)  # a third of the time of a file object
            try:
                found = _parsed(os.read(descriptor, MAX_POINTER_BYTES))
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise DataError(
                f"{self.path} is damaged: not a JSON object",
                'restore it from a backup, or write {"current": ID} to it, where ID is the name of '
                f"a folder in {self.path.parent}",
            )
        return found


@lru_cache(64)
def _parsed(content: bytes) -> Any:
    """Pointers are read several times for each request, and change rarely."""
    return json.loads(content)
