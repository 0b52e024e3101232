"""Land a file as a batch, or quarantine the whole file.

A file is copied before it is read, so the bytes that were checked are those that land. Batches and
quarantined files are directories named by the SHA-256 of the original file, created atomically.
``data.parquet`` depends on the original file and its contract only, so a killed and repeated run
writes the same bytes.

A quarantined file is checked again at each ingest: the contract, the mapping or the clock may have
changed. When it passes, it lands and is removed from quarantine.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from penchant.encryption.duckdb_connection import prepare, written
from penchant.encryption.encrypted_file import protect
from penchant.encryption.keyring import home_of
from penchant.encryption.log_lines import read_any
from penchant.errors import PenchantError, UsageError, is_disk_full
from penchant.ingestion.landing.arrival import Arrival
from penchant.ingestion.landing.checking import (
    CheckResult,
    check,
    empty_sql,
    is_verbatim,
    landed_sql,
)
from penchant.ingestion.landing.contract import Code, Contract, Reason
from penchant.ingestion.landing.derived import derive
from penchant.ingestion.landing.engine import Engine
from penchant.ingestion.landing.list_lengths import Lengths, lengths_of, other_lengths
from penchant.ingestion.landing.pseudonymizing import Pseudonymizer
from penchant.ingestion.landing.qualifying import qualified_sql
from penchant.ingestion.landing.reading import (
    Reading,
    Unreadable,
    ending_of,
    first_line,
    literal,
    read,
)
from penchant.ingestion.landing.rejecting import reject_rows, write_rejected
from penchant.ingestion.landing.user_rows import remove_rows, users_of
from penchant.pseudonyms import Pseudonyms
from penchant.settings import Settings
from penchant.storage import atomic_directory, held_alone, sync, write_json
from penchant.subjects import Subjects
from penchant.vault import Vault

EMPTY_BATCH = "_contract"
REASON = "reason.json"
WORKSPACE = ".workspace"
# DuckDB errors that the file can't cause. Damaged Parquet raises IOException,
# InvalidInputException, InternalException or plain Error, depending on where the damage is.
NOT_CAUSED_BY_FILES = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.InterruptException,
    duckdb.OutOfMemoryException,
    duckdb.ParserException,
)


@dataclass(frozen=True)
class Outcome:
    """The result of landing a file. ``status`` is landed, unchanged or quarantined."""

    status: str
    table: str
    sha256: str
    original_name: str
    rows: int
    path: Path
    reasons: tuple[Reason, ...] = ()
    rejected: int = 0

    def as_dict(self) -> dict[str, object]:
        return {
            "table": self.table,
            "sha256": self.sha256,
            "original_name": self.original_name,
            "rows": self.rows,
            "rejected": self.rejected,
            "path": str(self.path),
            "reasons": [reason.as_dict() for reason in self.reasons],
        }


@dataclass(frozen=True)
class Landing:
    """Landing and quarantine of one source. ``now`` is naive UTC.

    ``pseudonymizer``: None in a home that holds user ids.
    """

    settings: Settings
    source: str
    engine: Engine
    now: datetime
    pseudonymizer: Pseudonymizer | None = None

    @property
    def folder(self) -> Path:
        return self.settings.landing / self.source

    @property
    def workspace(self) -> Path:
        """Scratch folder on the landing's file system, while the landing is locked."""
        return self.folder / WORKSPACE

    @classmethod
    @contextmanager
    def locked(cls, settings: Settings, source: str, now: datetime) -> Iterator["Landing"]:
        """Lock the source's landing, and remove the workspace of a killed ingest."""
        folder = settings.landing / source
        with held_alone(folder):
            workspace = folder / WORKSPACE
            if workspace.exists():
                shutil.rmtree(workspace)
            workspace.mkdir()
            coder = Pseudonyms(settings).establish()
            pseudonymizer = None if coder is None else Pseudonymizer(coder)

            def prepare_connection(connection: duckdb.DuckDBPyConnection) -> None:
                prepare(connection, settings.home)
                if pseudonymizer:
                    pseudonymizer.register(connection)

            engine = Engine(settings.threads, workspace, prepare_connection)
            try:
                yield cls(settings, source, engine, now, pseudonymizer)
            finally:
                engine.close()
                shutil.rmtree(workspace)

    def ensure_empty_batches(self, contracts: tuple[Contract, ...]) -> None:
        """Write a batch without rows for every table, so that a glob over its batches matches.

        It has every column of the contract; an earlier version's may lack one.
        """
        connection = self.engine.connection()
        for contract in contracts:
            final = self.folder / contract.table / EMPTY_BATCH
            query = empty_sql(self._landed(contract))
            if final.exists() and not _same_columns(connection, query, final / "data.parquet"):
                shutil.rmtree(final)
            if not final.exists():
                with self._appearing(final) as staging:
                    _write(connection, query, staging / "data.parquet")

    def has_batches(self, table: str = "*") -> bool:
        """Whether the source has any landed batch, of one table or of all."""
        return any(self.folder.glob(f"{table}/*/batch.json"))

    def land(self, arrival: Arrival) -> Outcome:
        """Land or quarantine a file. A file that has landed before is unchanged.

        Raises PenchantError when the file changes while it is read, and UsageError when it has
        landed under another mapping.
        """
        table, sha256 = arrival.contract.table, digest(arrival.path)
        final = self.folder / table / sha256
        if final.exists():
            return self._existing(arrival, sha256, final)
        aside = self._set_aside(table, sha256)
        if aside:
            kept = self.settings.quarantine / self.source / table / sha256
            return Outcome("quarantined", table, sha256, arrival.name, 0, kept, aside)
        original = self._copy(arrival.path, sha256)
        connection = self.engine.connection()
        try:
            reading = read_arrival(connection, arrival, original)
            # an empty file deletes nothing: an export that went wrong has no rows either
            empty_allowed = arrival.mapping is not None and not arrival.mapping.whole_table
            result = check(connection, arrival.contract, reading, self.now, empty_allowed)
        except NOT_CAUSED_BY_FILES:
            raise
        except (Unreadable, duckdb.Error) as error:
            if is_disk_full(error):
                raise
            result = CheckResult(0, (unreadable(error, original, arrival),))
        rejected: tuple[Reason, ...] = ()
        if result.reasons and result.rows and arrival.mapping and arrival.mapping.reject_rows:
            most = arrival.mapping.reject_rows
            left = reject_rows(connection, arrival.contract, reading, self.now, result, most)
            if left:
                reading, rejected = left
                result = check(connection, arrival.contract, reading, self.now, empty_allowed)
        if self.pseudonymizer and not result.reasons:
            query = landed_sql(arrival.contract, reading)
            foreign = self.pseudonymizer.foreign(connection, arrival.contract, query)
            result = replace(result, reasons=foreign)
        lengths: Lengths = {}
        if not result.reasons:
            lengths = lengths_of(
                connection, arrival.contract, landed_sql(arrival.contract, reading)
            )
            others = other_lengths(connection, self.settings.landing, arrival, lengths)
            result = replace(result, reasons=others)
        if result.reasons:
            return self._quarantine(arrival, original, sha256, self._shown(arrival, result.reasons))
        with self._appearing(final) as staging:
            size = original.stat().st_size
            self._write_rows(arrival, reading, original, staging / "data.parquet")
            erased = self._leave_out_erased(arrival.contract, staging / "data.parquet")
            batch = self._batch(arrival, size, sha256, result.rows - erased, erased)
            if lengths:
                batch["lengths"] = lengths
            if rejected:
                write_rejected(staging, self._shown(arrival, rejected))
            (staging / "batch.json").write_text(json.dumps(batch, indent=2) + "\n")
        self._leave_quarantine(table, sha256)
        places = len({reason.first_row for reason in rejected})
        rows = result.rows - erased
        return Outcome("landed", table, sha256, arrival.name, rows, final, rejected=places)

    def _landed(self, contract: Contract) -> Contract:
        """The contract of what lands, where files have another."""
        return self.pseudonymizer.contract(contract) if self.pseudonymizer else contract

    def _shown(self, arrival: Arrival, reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
        """The reasons without user ids, where the home holds none."""
        if self.pseudonymizer is None:
            return reasons
        return tuple(self.pseudonymizer.shown(arrival.contract, reason) for reason in reasons)

    def _write_rows(
        self, arrival: Arrival, reading: Reading, original: Path, parquet: Path
    ) -> None:
        """Write the rows of a file that passed its checks."""
        contract = arrival.contract
        holds_ids = self.pseudonymizer is None or contract.user_column is None
        if holds_ids and is_verbatim(contract, reading):
            original.rename(parquet)
            protect(parquet)
            return
        query = arrival_sql(arrival, reading)
        if self.pseudonymizer:
            self.pseudonymizer.forget()
            query = self.pseudonymizer.sql(contract, query)
        _write(self.engine.connection(), query, parquet)

    def _leave_out_erased(self, contract: Contract, parquet: Path) -> int:
        """Remove the rows of people who asked for erasure; return their number.

        The vault remembers the others.
        """
        columns = contract.user_columns
        if not columns:
            return 0
        connection = self.engine.connection()
        people_of = [users_of(connection, parquet, column) for column in columns]
        erased = Subjects(self.settings).erased(set().union(*people_of))
        if self.pseudonymizer:
            people = self.pseudonymizer.people
            kept = {name: people[name] for name in people.keys() - erased}
            Vault(self.settings).remember(kept)
        if not erased:
            return 0
        return sum(remove_rows(connection, parquet, each, sorted(erased)) for each in columns)

    def _set_aside(self, table: str, sha256: str) -> tuple[Reason, ...]:
        """The reasons of a batch that somebody set aside; it does not land again by itself."""
        file = self.settings.quarantine / self.source / table / sha256 / REASON
        if not file.exists():
            return ()
        reasons = tuple(Reason(**reason) for reason in json.loads(file.read_text())["reasons"])
        return tuple(reason for reason in reasons if reason.code == Code.SET_ASIDE)

    def _existing(self, arrival: Arrival, sha256: str, final: Path) -> Outcome:
        """The existing batch. Raises UsageError when it landed under another mapping."""
        batch = json.loads((final / "batch.json").read_text())
        if batch["mapping"] != _fingerprint(arrival):
            raise UsageError(
                f"{arrival.path} has landed as {arrival.contract.table} under another mapping",
                f"restore the mapping, or remove {final} to land the file again",
            )
        self._leave_quarantine(arrival.contract.table, sha256)
        table, name, rows = arrival.contract.table, arrival.name, batch["rows"]
        return Outcome("unchanged", table, sha256, name, rows, final)

    def _batch(
        self, arrival: Arrival, size: int, sha256: str, rows: int, erased: int
    ) -> dict[str, object]:
        return {
            "source": self.source,
            "table": arrival.contract.table,
            "sha256": sha256,
            "original_name": arrival.name,
            "rows": rows,
            "erased": erased,
            "bytes": size,
            "mapping": _fingerprint(arrival),
            "landed_at": self.now.isoformat(),
            **_mapped_by(arrival),
        }

    def _copy(self, path: Path, sha256: str) -> Path:
        """Copy a file into the workspace and verify its hash."""
        original = self.workspace / f"original{ending_of(path.name) or ''}"
        shutil.copyfile(path, original)
        if digest(original) != sha256:
            raise PenchantError(
                f"{path} changed while it was read", "ingest again when the file is complete"
            )
        if home_of(path) is not None:
            original.write_bytes(read_any(path))
        return original

    def _quarantine(
        self, arrival: Arrival, original: Path, sha256: str, reasons: tuple[Reason, ...]
    ) -> Outcome:
        """Store the file with the reasons, unless it is stored with the same reasons.

        A home of pseudonyms stores the reasons alone: the file has user ids.
        """
        table, name = arrival.contract.table, arrival.name
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
                file = arrival.path.name
                if self.pseudonymizer is None or arrival.contract.user_column is None:
                    kept = staging / (f"{file}.original" if file == REASON else file)
                    original.rename(kept)
                    protect(kept)
                (staging / REASON).write_text(json.dumps(reason, indent=2) + "\n")
        elif json.loads((final / REASON).read_text())["reasons"] != listed:
            write_json(final / REASON, reason)
        return Outcome("quarantined", table, sha256, name, 0, final, reasons)

    def _leave_quarantine(self, table: str, sha256: str) -> None:
        """Remove a file that has landed from quarantine."""
        kept = self.settings.quarantine / self.source / table / sha256
        if kept.exists():
            shutil.rmtree(kept)

    @contextmanager
    def _appearing(self, final: Path) -> Iterator[Path]:
        """Like atomic_directory, but staged in the workspace.

        dbt globs ``*/data.parquet`` beside ``final``, and DuckDB's ``*`` matches hidden names too.
        """
        ready = self.workspace / final.name
        with atomic_directory(ready) as staging:
            yield staging
        final.parent.mkdir(parents=True, exist_ok=True)
        ready.rename(final)
        sync(final.parent)


def read_arrival(
    connection: duckdb.DuckDBPyConnection, arrival: Arrival, original: Path
) -> Reading:
    """A file, or its copy, with the contract's columns. Raises Unreadable."""
    if arrival.mapping is None:
        return read(connection, original)
    reading = read(connection, original, arrival.mapping.text_form)
    derived = derive(connection, reading, arrival.mapping, arrival.name)
    return arrival.mapping.apply(arrival.contract, derived)


def arrival_sql(arrival: Arrival, reading: Reading) -> str:
    """A query for the rows that land of a file, in its order, with the ids of its source."""
    query = landed_sql(arrival.contract, reading)
    if arrival.mapping is None:
        return query
    return qualified_sql(arrival.contract, query, arrival.mapping.source)


def unreadable(error: Exception, original: Path, arrival: Arrival) -> Reason:
    """The reason for which a file can't be read."""
    text = isinstance(error, Unreadable) and error.encoding
    code = Code.UNDECODABLE_TEXT if text else Code.UNREADABLE_FILE
    return Reason(code, None, first_line(error).replace(str(original), arrival.path.name))


def _same_columns(connection: duckdb.DuckDBPyConnection, query: str, parquet: Path) -> bool:
    """Whether a Parquet file has the columns of a query, with their types."""
    wanted = connection.execute(f"DESCRIBE {query}").fetchall()
    landed = f"read_parquet({literal(str(parquet))}, hive_partitioning := false)"
    return wanted == connection.execute(f"DESCRIBE FROM {landed}").fetchall()


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write a Parquet file in the query's order: the same bytes with any number of threads."""
    connection.execute(f"COPY ({query}) TO {written(path)} (FORMAT parquet, COMPRESSION snappy)")


def _fingerprint(arrival: Arrival) -> str | None:
    return arrival.mapping.fingerprint() if arrival.mapping else None


def _mapped_by(arrival: Arrival) -> dict[str, object]:
    """Which mapping read the file, and whether the file is the whole table."""
    if arrival.mapping is None:
        return {}
    return {"mapped_by": arrival.mapping.key, "whole_table": arrival.mapping.whole_table}


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
