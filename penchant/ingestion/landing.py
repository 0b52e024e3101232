"""How one file becomes a landing batch, or goes to quarantine, whole.

A file is copied before it is read, so that what was checked is what lands. Batches and quarantined
files are directories named by the SHA-256 of the original file and appear at once; ``data.parquet``
depends on the original file and its contract only, so a run that was killed and repeated leaves the
same bytes as one that was not.

A quarantined file is judged again whenever it is offered again: the contract, the mapping or the
clock may have moved. When it passes, it lands and leaves the quarantine.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from penchant.errors import PenchantError
from penchant.ingestion.arrival import Arrival
from penchant.ingestion.contract import (
    Code,
    Contract,
    Reason,
    check,
    empty_sql,
    is_verbatim,
    landed_sql,
)
from penchant.ingestion.reading import ENDINGS, Reading, Unreadable, first_line, literal, read
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX, atomic_directory, write_json

EMPTY_BATCH = "_contract"
REASON = "reason.json"
# What DuckDB raises on the file's account; anything else (memory, a full disk) is not the file's.
FILE_ERRORS = (
    duckdb.InvalidInputException,
    duckdb.IOException,
    duckdb.ConversionException,
    duckdb.NotImplementedException,
    duckdb.SerializationException,
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
    connection: duckdb.DuckDBPyConnection
    now: datetime

    @property
    def folder(self) -> Path:
        return self.settings.landing / self.source

    @property
    def workspace(self) -> Path:
        """Scratch space on the landing's file system, for as long as the landing is held."""
        return self.folder / ".workspace"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for other ingests of this source, then remove what a killed one left behind."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._sweep()
            self.workspace.mkdir()
            try:
                yield
            finally:
                self._sweep()

    def ensure_empty_batches(self, contracts: tuple[Contract, ...]) -> None:
        """Give every table a batch without rows, so that a glob over its batches finds a file."""
        for contract in contracts:
            final = self.folder / contract.table / EMPTY_BATCH
            if not final.exists():
                with atomic_directory(final) as staging:
                    self._write(empty_sql(contract), staging / "data.parquet")

    def has_batches(self) -> bool:
        """Whether anything of this source has landed, now or before."""
        return any(self.folder.glob("*/*/batch.json"))

    def land(self, arrival: Arrival) -> Outcome:
        """Land one file, or quarantine it; a file that landed before is left as it is.

        Raises PenchantError where the file changes meanwhile.
        """
        table, sha256 = arrival.contract.table, digest(arrival.path)
        final = self.folder / table / sha256
        if final.exists():
            self._release(table, sha256)
            rows = json.loads((final / "batch.json").read_text())["rows"]
            return Outcome("unchanged", table, sha256, arrival.path.name, rows, final)
        original = self._copy(arrival.path, sha256)
        try:
            reading = read(self.connection, original)
            rows, reasons = self._judge(arrival.contract, reading)
        except Unreadable as unreadable:
            code = Code.UNDECODABLE_TEXT if unreadable.encoding else Code.UNREADABLE_FILE
            rows, reasons = 0, (Reason(code, None, unreadable.detail),)
        if reasons:
            return self._quarantine(arrival, original, sha256, reasons)
        with atomic_directory(final) as staging:
            batch = {
                "source": self.source,
                "table": table,
                "sha256": sha256,
                "original_name": arrival.path.name,
                "rows": rows,
                "bytes": original.stat().st_size,
                "landed_at": self.now.isoformat(),
            }
            if is_verbatim(arrival.contract, reading):
                original.rename(staging / "data.parquet")
            else:
                self._write(landed_sql(arrival.contract, reading), staging / "data.parquet")
            (staging / "batch.json").write_text(json.dumps(batch, indent=2) + "\n")
        self._release(table, sha256)
        return Outcome("landed", table, sha256, arrival.path.name, rows, final)

    def _copy(self, path: Path, sha256: str) -> Path:
        """A copy under a name without surprises, certain to be the bytes of that hash."""
        ending = next((each for each in ENDINGS if path.name.lower().endswith(each)), "")
        original = self.workspace / f"original{ending}"
        shutil.copyfile(path, original)
        if digest(original) != sha256:
            raise PenchantError(
                f"{path} changed while it was being read", "ingest again when its writer is done"
            )
        return original

    def _judge(self, contract: Contract, reading: Reading) -> tuple[int, tuple[Reason, ...]]:
        """The file's rows and the reasons to refuse it; raises Unreadable."""
        try:
            verdict = check(self.connection, contract, reading, self.now)
        except FILE_ERRORS as error:
            raise Unreadable(first_line(error)) from error
        return verdict.rows, verdict.reasons

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
            with atomic_directory(final) as staging:
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

    def _sweep(self) -> None:
        """Remove half-made directories: DuckDB's glob would see those of the landing."""
        for table in (self.folder, self.settings.quarantine / self.source):
            for half_made in table.glob(f"*/{STAGING_PREFIX}*"):
                shutil.rmtree(half_made)
        if self.workspace.exists():
            shutil.rmtree(self.workspace)

    def _write(self, query: str, path: Path) -> None:
        """One Parquet file in the query's order: the same bytes however many threads write it."""
        self.connection.execute(
            f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION snappy)"
        )


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
