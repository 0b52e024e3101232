"""Migrating a home with user ids to pseudonyms, in two calls with a release in between.

1. The first replaces the ids in landed batches and requests, removes quarantined files, and decides
   that what lands from now on has pseudonyms. The live release still has user ids, so the API asks
   and logs with them.
2. The main job builds, trains and publishes. As soon as a release of such a snapshot is live, the
   API asks with pseudonyms.
3. The second call lands what the log still holds, and removes everything made from earlier
   snapshots, and logs.

Each goes on where a killed one stopped: the pseudonym of a pseudonym is itself.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from penchant.artifacts import PseudonymState, SubjectRequest
from penchant.building.rejected import ROWS
from penchant.encryption.duckdb_connection import connect, written
from penchant.encryption.store import opened_alone
from penchant.errors import NothingToDo, PenchantError
from penchant.feedback.log import TABLES, FeedbackLog
from penchant.home_key import fingerprint, home_key
from penchant.ingestion.ingest import SOURCES, ingest
from penchant.ingestion.landing.contract import Contract
from penchant.ingestion.landing.pseudonymizing import Pseudonymizer
from penchant.ingestion.landing.reading import identifier, literal
from penchant.ingestion.landing.user_rows import users_of
from penchant.ingestion.sources import feedback
from penchant.privacy.derived import remove_derived, snapshots_on_disk, still_live
from penchant.pseudonyms import Coder, Pseudonyms, holds_data
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX, held_alone, sync, write_json
from penchant.vault import Vault

LOGS = ("airflow/logs", "platform/logs")
NEXT = "run the main job (DAG build_snapshot), then `penchant pseudonymize` again"


@dataclass(frozen=True)
class MigrationReport:
    """``batches``: files whose ids were replaced. ``removed``: place -> directories or files."""

    complete: bool
    batches: int
    removed: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        if not self.complete:
            return f"user ids of {self.batches} landed files replaced; next: {NEXT}"
        places = ", ".join(f"{place} {count}" for place, count in sorted(self.removed.items()))
        return f"the home holds pseudonyms alone; removed {places or 'nothing'}"


def pseudonymize(settings: Settings) -> MigrationReport:
    """Migrate a home, or complete its migration. Raises NothingToDo where there is none."""
    state = Pseudonyms(settings).state
    if state is not None and state.state == "on":
        raise NothingToDo("the home holds pseudonyms already", "nothing")
    if not holds_data(settings):
        raise NothingToDo(f"{settings.home} holds no data", "the first landing decides")
    if state is None or state.state == "off":
        state = _decided(settings, ())
    batches = _convert(settings, Coder.of_key(home_key(settings)))
    if batches or not state.raw_snapshots:
        state = _decided(settings, (*state.raw_snapshots, *snapshots_on_disk(settings)))
    if still_live(settings, state.raw_snapshots) or settings.live_release.current() is None:
        return MigrationReport(False, batches, {})
    removed = _complete(settings, state.raw_snapshots)
    return MigrationReport(True, batches, removed)


def _decided(settings: Settings, raw_snapshots: Iterable[str]) -> PseudonymState:
    raw = tuple(sorted(set(raw_snapshots)))
    key = fingerprint(home_key(settings))
    state = PseudonymState(state="migrating", key=key, raw_snapshots=raw)
    with held_alone(settings.privacy):
        state.write(PseudonymState.path(settings))
    return state


def _convert(settings: Settings, coder: Coder) -> int:
    """Replace the user ids of what is stored; return the number of batches that had some."""
    converted = 0
    with held_alone(settings.warehouse.parent):  # no build reads meanwhile
        for name, source in SOURCES.items():
            if not (settings.landing / name).is_dir():
                continue
            with held_alone(settings.landing / name), connect(settings.home) as connection:
                pseudonymizer = Pseudonymizer(coder)
                pseudonymizer.register(connection)
                for contract in source.CONTRACTS:
                    if contract.user_column:
                        for batch in _folders(settings, name, contract.table):
                            converted += _convert_batch(
                                settings, connection, coder, pseudonymizer, contract, batch
                            )
    with held_alone(settings.privacy):
        _convert_requests(settings, coder)
    _convert_ad_counts(settings, coder)
    _remove_quarantined(settings)
    return converted


def _folders(settings: Settings, source: str, table: str) -> list[Path]:
    """Landed batches, the empty one too, and those that were set aside."""
    places = (settings.landing, settings.quarantine)
    found = [file for each in places for file in (each / source / table).glob("*/data.parquet")]
    return sorted(file.parent for file in found)


def _convert_batch(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    coder: Coder,
    pseudonymizer: Pseudonymizer,
    contract: Contract,
    batch: Path,
) -> bool:
    """Whether the batch had user ids.

    It says first that it is about to change, so a kill never leaves a changed batch under the
    identity of the old one.
    """
    parquet, description = batch / "data.parquet", batch / "batch.json"
    column = str(contract.user_column)
    source = f"SELECT * FROM read_parquet({literal(str(parquet))}, hive_partitioning := false)"
    columns = connection.execute(f"DESCRIBE SELECT {identifier(column)} FROM ({source})")
    is_text = columns.fetchall()[0][1] == "VARCHAR"
    if is_text and all(coder.owns(each) for each in users_of(connection, parquet, column)):
        return False
    if description.exists():
        described = json.loads(description.read_text())
        write_json(description, described | {"pseudonyms": True})
    pseudonymizer.forget()
    staging = batch / f"{STAGING_PREFIX}data.parquet"
    connection.execute(
        f"COPY ({pseudonymizer.sql(contract, source)}) TO {written(staging)} "
        "(FORMAT parquet, COMPRESSION snappy)"
    )
    Vault(settings).remember(pseudonymizer.people)
    sync(staging)
    staging.replace(parquet)
    sync(batch)
    return True


def _convert_requests(settings: Settings, coder: Coder) -> None:
    vault = Vault(settings)
    for path in SubjectRequest.folder(settings).glob("q-*.json"):
        request = SubjectRequest.read(path)
        if request.user_id is not None and not coder.owns(request.user_id):
            pseudonym = coder.of(request.user_id)
            vault.remember({pseudonym: request.user_id})
            request.model_copy(update={"user_id": pseudonym}).save(settings)


def _convert_ad_counts(settings: Settings, coder: Coder) -> None:
    path = settings.home / "ads" / "shown.db"
    if not path.exists():
        return
    with opened_alone(path) as connection, connection:
        found = connection.execute("SELECT DISTINCT user_id FROM shown").fetchall()
        raw = [user_id for (user_id,) in found if not coder.owns(user_id)]
        connection.executemany(
            "UPDATE OR REPLACE shown SET user_id = ? WHERE user_id = ?",
            [(coder.of(user_id), user_id) for user_id in raw],
        )


def _remove_quarantined(settings: Settings) -> int:
    """Remove files that were rejected, and rows that a build left out: both are found again."""
    removed = 0
    for rows in settings.quarantine.glob(f"*/*/{ROWS}"):
        rows.unlink()
        removed += 1
    for reason in settings.quarantine.glob("*/*/*/reason.json"):
        if not (reason.parent / "batch.json").exists():
            shutil.rmtree(reason.parent)
            removed += 1
    return removed


def _complete(settings: Settings, raw_snapshots: Sequence[str]) -> dict[str, int]:
    """Remove what still has user ids, now that a release without them is live."""
    with suppress(NothingToDo):
        ingest(settings, source="feedback")
    with held_alone(settings.landing / feedback.NAME):
        feedback.remove_landed(settings, FeedbackLog.of(settings))
    coder = Pseudonyms(settings).coder
    assert coder is not None  # the home is migrating
    for table, row in _logged(settings):
        if "user_id" in row and not coder.owns(str(row["user_id"])):
            raise PenchantError(
                f"{settings.feedback / table} has rows with user ids that did not land",
                "see quarantine/feedback for why, or ingest the source feedback again; "
                "then run `penchant pseudonymize` again",
            )
    with held_alone(settings.privacy):
        Vault(settings).remove_unfinished()
        removed = remove_derived(settings, raw_snapshots)
        removed["quarantine"] = _remove_quarantined(settings)
        removed["logs"] = _empty_logs(settings)
        key = fingerprint(home_key(settings))
        PseudonymState(state="on", key=key).write(PseudonymState.path(settings))
    return {place: count for place, count in removed.items() if count}


def _logged(settings: Settings) -> Iterator[tuple[str, dict[str, Any]]]:
    log = FeedbackLog.of(settings)
    return ((table, row) for table in TABLES for row in log.rows(table))


def _empty_logs(settings: Settings) -> int:
    """Empty the logs: messages of earlier versions may name users. Services keep theirs open."""
    files = [file for place in LOGS for file in (settings.home / place).rglob("*")]
    logs = [file for file in files if file.is_file() and file.stat().st_size]
    for file in logs:
        file.write_bytes(b"")
    return len(logs)
