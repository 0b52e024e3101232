"""A snapshot: the marts of one dbt build as Parquet, their description and check results."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from penchant.artifacts.record import Moment, Part, Record
from penchant.errors import UsageError
from penchant.settings import Settings

SNAPSHOT_ID = re.compile(r"s-\d{8}-[0-9a-f]{12}")


class KeptRows(Part):
    """What a mart has in common with that of the snapshot that a build kept rows of.

    Rows whose time ``by`` is before ``since`` are rows of that snapshot too. ``by`` user_id: the
    rows of users without an event since then, in either snapshot.
    """

    by: str
    since: Moment


class Fingerprint(Part):
    """Sums over rows that their order doesn't change: that of two sets of rows is the sum.

    ``rows``: their number; ``total``: the sum of their hashes; ``parity``: the exclusive or of
    other hashes.
    """

    rows: int = 0
    total: int = 0
    parity: int = 0

    def __add__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(
            rows=self.rows + other.rows,
            total=self.total + other.total,
            parity=self.parity ^ other.parity,
        )

    def __sub__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(
            rows=self.rows - other.rows,
            total=self.total - other.total,
            parity=self.parity ^ other.parity,
        )


class MartDescription(Part):
    """A mart's rows and the hash of its content. ``kept``: None where every row was built."""

    rows: int
    content_hash: str
    fingerprint: Fingerprint | None = None
    kept: KeptRows | None = None


class SnapshotDescription(Record):
    """``snapshot.json``. ``landed``: its batches, as source/table/hash. ``last_feedback``: the
    newest file of the event log that it contains. ``previous``: the snapshot, of the same dbt
    project, that ``MartDescription.kept`` is about."""

    REMEDY = "run `penchant build` again"

    id: str
    as_of: Moment
    sources: tuple[str, ...] = ()
    batches: int = 0
    landed: tuple[str, ...] = ()
    last_feedback: str | None = None
    previous: str | None = None
    marts: dict[str, MartDescription] = Field(default_factory=dict)


class CheckStatistics(Part):
    """Counts over all marts."""

    expectations: int = 0
    failed_critical: int = 0
    failed_warning: int = 0

    def in_words(self) -> str:
        """For example "310 expectations, no critical failure, 1 warning"."""
        counted = (
            (self.expectations, "expectation"),
            (self.failed_critical, "critical failure"),
            (self.failed_warning, "warning"),
        )
        return ", ".join(
            f"{count or 'no'} {noun}{'s' if count > 1 else ''}" for count, noun in counted
        )


class MartChecks(Part):
    """A mart's expectations, and those that failed."""

    expectations: int
    failed: tuple[dict[str, Any], ...]


class CheckResults(Record):
    """``checks.json``: results of the Great Expectations checkpoints.

    ``rows``: those that were validated. ``all_rows_at``: the end of the data of the last snapshot
    of which all were, ``checks_since`` then have validated changed rows.
    """

    REMEDY = "run `penchant check` again"

    snapshot_id: str
    passed: bool
    compared_with: str | None = None
    rows: Literal["all", "changed"] = "all"
    all_rows_at: Moment | None = None
    checks_since: int = 0
    statistics: CheckStatistics = CheckStatistics()
    marts: dict[str, MartChecks] = Field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """One directory under ``snapshots/``.

    Immutable but for ``checks.json`` and ``training_sets/``, which are each added once, whole.
    """

    id: str
    path: Path

    @classmethod
    def open(cls, settings: Settings, snapshot_id: str) -> "Snapshot":
        """Open by id. Raises UsageError for a malformed or unknown id."""
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
    def checked(cls, settings: Settings, snapshot_id: str) -> "Snapshot":
        """Open a snapshot that passed its checks. Raises UsageError for any other."""
        snapshot = cls.open(settings, snapshot_id)
        results = snapshot.check_results()
        if results is None:
            raise UsageError(
                f"snapshot {snapshot_id} has not been checked",
                f"run `penchant check --snapshot {snapshot_id}` first",
            )
        if not results.passed:
            raise UsageError(
                f"snapshot {snapshot_id} did not pass its checks",
                "see its Data Docs for what failed, and use a snapshot that passed",
            )
        return snapshot

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
        """The file of ``CheckResults``; absent until ``penchant check`` ran."""
        return self.path / "checks.json"

    @property
    def marts(self) -> Path:
        """The folder of its marts."""
        return self.path / "marts"

    def mart(self, name: str) -> Path:
        """The Parquet file of a mart, or a folder of several, one for each period."""
        return self.marts / f"{name}.parquet"

    def counted(self, mart: str) -> str:
        """A mart of users as an SQL relation, without the bots and test users of `excluded_users`.

        For whatever counts or learns from all users. A snapshot from before that mart has all.
        """
        rows, excluded = self.mart(mart), self.mart("excluded_users")
        if not excluded.is_file():
            return f"read_parquet({_quoted(rows)})"
        return (
            f"(SELECT * FROM read_parquet({_quoted(rows)}) WHERE (user_id NOT IN "
            f"(SELECT user_id FROM read_parquet({_quoted(excluded)}))) IS NOT FALSE)"
        )

    def training_set(self, name: str) -> Path:
        """The Parquet file of a point-in-time joined training set."""
        return self.path / "training_sets" / f"{name}.parquet"

    @cached_property
    def description(self) -> SnapshotDescription:
        """Its id, as_of, sources and marts."""
        return SnapshotDescription.read(self.path / "snapshot.json")

    def check_results(self) -> CheckResults | None:
        """None where it has not been checked."""
        try:
            return CheckResults.read(self.checks)
        except FileNotFoundError:
            return None

    def mart_sizes(self) -> dict[str, dict[str, float]]:
        """Rows of each mart, and the seconds that dbt took for it where its results are kept."""
        path = self.path / "run_results.json"
        results = json.loads(path.read_text())["results"] if path.exists() else []
        seconds = {each["unique_id"].split(".")[-1]: each["execution_time"] for each in results}
        sizes: dict[str, dict[str, float]] = {}
        for name, mart in self.description.marts.items():
            sizes[name] = {"rows": mart.rows}
            if name in seconds:
                sizes[name]["seconds"] = round(seconds[name], 2)
        return sizes

    @property
    def as_of(self) -> datetime:
        """The exclusive end of the data: every event is before it, no feature row after it."""
        return self.description.as_of


def _quoted(path: Path) -> str:
    """A path as a literal of SQL."""
    return "'" + str(path).replace("'", "''") + "'"
