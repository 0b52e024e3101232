"""How one file becomes a landing batch, or goes to quarantine, whole.

A file is copied before it is read, so that what was checked is what lands. Batches and quarantined
files are directories named by the SHA-256 of the original file and appear at once; ``data.parquet``
depends on the original file and its contract only, so a run that was killed and repeated leaves the
same bytes as one that was not.

A quarantined file is judged again whenever it is offered again: the contract, the mapping or the
clock may have moved. When it passes, it lands and leaves the quarantine.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from penchant.errors import PenchantError, UsageError
from penchant.ingestion.landing.arrival import Arrival
from penchant.ingestion.landing.checking import Verdict, check, empty_sql, is_verbatim, landed_sql
from penchant.ingestion.landing.contract import Code, Contract, Reason
from penchant.ingestion.landing.engine import Engine
from penchant.ingestion.landing.reading import (
    Reading,
    Unreadable,
    ending_of,
    first_line,
    literal,
    read,
)
from penchant.settings import Settings
from penchant.storage import atomic_directory, held_alone, sync, write_json

EMPTY_BATCH = "_contract"
REASON = "reason.json"
WORKSPACE = ".workspace"
# What DuckDB raises on any account but the file's. The rest has no pattern: damaged Parquet ends in
# IOException, InvalidInputException, InternalException or plain Error, by where the damage is.
NOT_THE_FILES = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.InterruptException,
    duckdb.OutOfMemoryException,
    duckdb.ParserException,
)


@dataclass(frozen=True)
class Outcome:
    """What became of one file. ``status`` is landed, unchanged or quarantined."""

    status: str
    table: str
    sha256: str
    original_name: str
    rows: int
    path: Path
    reasons: tuple[Reason, ...] = ()

    def as_dict(self) -> dict[str, object]:
        return {
            "table": self.table,
            "sha256": self.sha256,
            "original_name": self.original_name,
            "rows": self.rows,
            "path": str(self.path),
            "reasons": [reason.as_dict() for reason in self.reasons],
        }


@dataclass(frozen=True)
class Landing:
    """The landing and the quarantine of one source. ``now`` is naive UTC."""

    settings: Settings
    source: str
    engine: Engine
    now: datetime

    @property
    def folder(self) -> Path:
        return self.settings.landing / self.source

    @property
    def workspace(self) -> Path:
        """Scratch space on the landing's file system, for as long as the landing is held."""
        return self.folder / WORKSPACE

    @classmethod
    @contextmanager
    def held(cls, settings: Settings, source: str, now: datetime) -> Iterator["Landing"]:
        """Wait for other ingests of this source, then remove what a killed one left behind."""
        folder = settings.landing / source
        with held_alone(folder):
            workspace = folder / WORKSPACE
            if workspace.exists():
                shutil.rmtree(workspace)
            workspace.mkdir()
            engine = Engine(settings.threads, workspace)
            try:
                yield cls(settings, source, engine, now)
            finally:
                engine.close()
                shutil.rmtree(workspace)

    def ensure_empty_batches(self, contracts: tuple[Contract, ...]) -> None:
        """Give every table a batch without rows, so that a glob over its batches finds a file."""
        for contract in contracts:
            final = self.folder / contract.table / EMPTY_BATCH
            if not final.exists():
                with self._appearing(final) as staging:
                    query = empty_sql(contract)
                    _write(self.engine.connection(), query, staging / "data.parquet")

    def has_batches(self) -> bool:
        """Whether anything of this source has landed, now or before."""
        return any(self.folder.glob("*/*/batch.json"))

    def land(self, arrival: Arrival) -> Outcome:
        """Land one file, or quarantine it; a file that landed before is left as it is.

        Raises PenchantError where the file changes meanwhile, and UsageError where it has landed
        under another mapping.
        """
        table, sha256 = arrival.contract.table, digest(arrival.path)
        final = self.folder / table / sha256
        if final.exists():
            return self._keep(arrival, sha256, final)
        original = self._copy(arrival.path, sha256)
        connection = self.engine.connection()
        try:
            reading = _read(connection, arrival, original)
            verdict = check(connection, arrival.contract, reading, self.now)
        except NOT_THE_FILES:
            raise
        except (Unreadable, duckdb.Error) as error:
            verdict = Verdict(0, (_unreadable(error, original, arrival),))
        if verdict.reasons:
            return self._quarantine(arrival, original, sha256, verdict.reasons)
        with self._appearing(final) as staging:
            batch = self._batch(arrival, original, sha256, verdict.rows)
            (staging / "batch.json").write_text(json.dumps(batch, indent=2) + "\n")
            if is_verbatim(arrival.contract, reading):
                original.rename(staging / "data.parquet")
            else:
                query = landed_sql(arrival.contract, reading)
                _write(connection, query, staging / "data.parquet")
        self._release(table, sha256)
        return Outcome("landed", table, sha256, arrival.path.name, verdict.rows, final)

    def _keep(self, arrival: Arrival, sha256: str, final: Path) -> Outcome:
        """The batch as it landed; raises UsageError where the same file is now read differently."""
        batch = json.loads((final / "batch.json").read_text())
        if batch["mapping"] != _fingerprint(arrival):
            raise UsageError(
                f"{arrival.path} has landed as {arrival.contract.table} under another mapping",
                f"restore the mapping, or remove {final} to land the file again",
            )
        self._release(arrival.contract.table, sha256)
        table, name, rows = arrival.contract.table, arrival.path.name, batch["rows"]
        return Outcome("unchanged", table, sha256, name, rows, final)

    def _batch(self, arrival: Arrival, original: Path, sha256: str, rows: int) -> dict[str, object]:
        return {
            "source": self.source,
            "table": arrival.contract.table,
            "sha256": sha256,
            "original_name": arrival.path.name,
            "rows": rows,
            "bytes": original.stat().st_size,
            "mapping": _fingerprint(arrival),
            "landed_at": self.now.isoformat(),
        }

    def _copy(self, path: Path, sha256: str) -> Path:
        """A copy under a name without surprises, certain to be the bytes of that hash."""
        original = self.workspace / f"original{ending_of(path.name) or ''}"
        shutil.copyfile(path, original)
        if digest(original) != sha256:
            raise PenchantError(
                f"{path} changed while it was being read", "ingest again when its writer is done"
            )
        return original

    def _quarantine(
        self, arrival: Arrival, original: Path, sha256: str, reasons: tuple[Reason, ...]
    ) -> Outcome:
        """Keep the file with the reasons; if it is there for the same reasons, touch nothing."""
        table, name = arrival.contract.table, arrival.path.name
        final = self.settings.quarantine / self.source / table / sha256
        listed = [reason.as_dict() for reason in reasons]
        reason = {
            "source": self.source,
            "table": table,
            "sha256": sha256,
            "original_name": name,
            "reasons": listed,
            "quarantined_at": self.now.isoformat(),
        }
        if not final.exists():
            with self._appearing(final) as staging:
                original.rename(staging / (f"{name}.original" if name == REASON else name))
                (staging / REASON).write_text(json.dumps(reason, indent=2) + "\n")
        elif json.loads((final / REASON).read_text())["reasons"] != listed:
            write_json(final / REASON, reason)
        return Outcome("quarantined", table, sha256, name, 0, final, reasons)

    def _release(self, table: str, sha256: str) -> None:
        """Take a file that has landed out of quarantine."""
        kept = self.settings.quarantine / self.source / table / sha256
        if kept.exists():
            shutil.rmtree(kept)

    @contextmanager
    def _appearing(self, final: Path) -> Iterator[Path]:
        """As atomic_directory, but staged in the workspace.

        Readers glob ``*/data.parquet`` beside ``final``, and DuckDB's ``*`` takes hidden names too.
        """
        ready = self.workspace / final.name
        with atomic_directory(ready) as staging:
            yield staging
        final.parent.mkdir(parents=True, exist_ok=True)
        ready.rename(final)
        sync(final.parent)


def _read(connection: duckdb.DuckDBPyConnection, arrival: Arrival, original: Path) -> Reading:
    if arrival.mapping is None:
        return read(connection, original)
    reading = read(connection, original, arrival.mapping.delimiter)
    return arrival.mapping.apply(arrival.contract, reading)


def _unreadable(error: Exception, original: Path, arrival: Arrival) -> Reason:
    text = isinstance(error, Unreadable) and error.encoding
    code = Code.UNDECODABLE_TEXT if text else Code.UNREADABLE_FILE
    return Reason(code, None, first_line(error).replace(str(original), arrival.path.name))


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """One Parquet file in the query's order: the same bytes however many threads write it."""
    connection.execute(
        f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION snappy)"
    )


def _fingerprint(arrival: Arrival) -> str | None:
    return arrival.mapping.fingerprint() if arrival.mapping else None


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
