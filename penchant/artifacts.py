"""A snapshot: the marts one dbt build made, as Parquet, with the manifest that describes them."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from penchant.errors import UsageError
from penchant.settings import Settings

SNAPSHOT_ID = re.compile(r"s-\d{8}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Snapshot:
    """One directory under ``snapshots/``.

    Immutable but for ``checks.json`` and ``training_sets/``, which are each added once, whole.
    """

    id: str
    path: Path

    @classmethod
    def open(cls, settings: Settings, snapshot_id: str) -> "Snapshot":
        """Open by id. Raises UsageError when the id is malformed or no such snapshot was built."""
        if not SNAPSHOT_ID.fullmatch(snapshot_id):
            raise UsageError(
                f"{snapshot_id!r} is not a snapshot id",
                "pass an id like s-20180102-0123456789ab; `penchant status` prints the live one",
            )
        path = settings.snapshots / snapshot_id
        if not (path / "snapshot.json").is_file():
            raise UsageError(f"snapshot {snapshot_id} does not exist", "run `penchant build` first")
        return cls(snapshot_id, path)

    @classmethod
    def live(cls, settings: Settings) -> "Snapshot":
        """Open the last snapshot that passed its checks."""
        snapshot_id = settings.live_snapshot.current()
        if snapshot_id is None:
            raise UsageError(
                "no snapshot has passed its checks yet",
                "run `penchant build`, then `penchant check`",
            )
        return cls.open(settings, snapshot_id)

    @property
    def manifest(self) -> Path:
        """dbt's ``manifest.json`` of the build."""
        return self.path / "manifest.json"

    @property
    def checks(self) -> Path:
        """Results of the Great Expectations checkpoints; absent until ``penchant check`` ran."""
        return self.path / "checks.json"

    def mart(self, name: str) -> Path:
        """The Parquet file of a mart."""
        return self.path / "marts" / f"{name}.parquet"

    def training_set(self, name: str) -> Path:
        """The Parquet file of a point-in-time joined training set."""
        return self.path / "training_sets" / f"{name}.parquet"

    def describe(self) -> dict:
        """``snapshot.json``: id, as_of, and for each mart its rows and content hash."""
        return json.loads((self.path / "snapshot.json").read_text())

    @property
    def last_feedback(self) -> str | None:
        """The newest file of the log of events that has landed in it; None where none had, or it
        was built before snapshots said so."""
        return self.describe().get("last_feedback")

    @property
    def as_of(self) -> datetime:
        """The exclusive end of the data: every event is before it, no feature row after it."""
        return datetime.fromisoformat(self.describe()["as_of"])
