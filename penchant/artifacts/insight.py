"""What interests are used for: written once per snapshot, then published by a pointer."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

from penchant.artifacts.record import Record
from penchant.errors import DataError, NothingToDo
from penchant.settings import Settings
from penchant.storage import Pointer, atomic_directory


class InsightRecord(Record):
    """``insights/<snapshot>/<KIND>/<KIND>.json``; its tables are beside it.

    ``COMMAND`` writes the folder; ``CONTENT`` names what it holds, followed by is or are.
    """

    KIND: ClassVar[str]
    COMMAND: ClassVar[str]
    CONTENT: ClassVar[str]

    @classmethod
    def folder(cls, settings: Settings, snapshot_id: str) -> Path:
        return settings.home / "insights" / snapshot_id / cls.KIND

    @classmethod
    def path(cls, settings: Settings, snapshot_id: str) -> Path:
        return cls.folder(settings, snapshot_id) / f"{cls.KIND}.json"

    @classmethod
    def live(cls, settings: Settings) -> Pointer:
        """The snapshot whose folder is read by the API server and the console."""
        return Pointer(settings.home / "insights" / cls.KIND.upper())

    @classmethod
    def published_folder(cls, settings: Settings) -> Path:
        """The folder of the live snapshot. Raises NothingToDo until one is written."""
        snapshot_id = cls.live(settings).current()
        if snapshot_id is None or not cls.path(settings, snapshot_id).exists():
            raise NothingToDo(f"no {cls.CONTENT} published", cls._remedy(settings))
        return cls.folder(settings, snapshot_id)

    @classmethod
    def _remedy(cls, settings: Settings) -> str:
        snapshot_id = settings.live_snapshot.current()
        if snapshot_id is None:
            return f"run `penchant build`, `penchant check`, then `penchant {cls.COMMAND}`"
        command = f"penchant {cls.COMMAND} --snapshot {snapshot_id}"
        return f"run `{command}`, as the DAG refresh_insights does"

    @classmethod
    def publish_once(
        cls, settings: Settings, snapshot_id: str, write: Callable[[Path], Self]
    ) -> tuple[Self, bool]:
        """Make the snapshot's folder live, and return its record.

        ``write`` puts the tables into an empty folder and returns the record; it is called for a
        snapshot without a folder, or with one of an earlier version, which is replaced. The second
        value is whether there was one that could be read.
        """
        path = cls.path(settings, snapshot_id)
        written = cls._is_readable(path)
        if not written:
            with atomic_directory(path.parent) as staging:
                write(staging).write(staging / path.name)
                if path.parent.exists():
                    shutil.rmtree(path.parent)
        cls.live(settings).flip(snapshot_id)
        return cls.read(path), written

    @classmethod
    def _is_readable(cls, path: Path) -> bool:
        try:
            cls.read(path)
        except (FileNotFoundError, DataError):
            return False
        return True
