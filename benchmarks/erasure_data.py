"""A home with any number of users, as the stages before an erasure leave it, without any of them.

Everything is synthetic, in the form and the order of columns of the real thing: a year of landed
events in a batch a month, users, impressions with their propensities; of one snapshot its largest
marts, an online store, a run and a release. Ids are as long as pseudonyms.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa

from penchant.artifacts import SnapshotDescription
from penchant.settings import Settings
from penchant.storage import write_json

EVENTS_A_USER, IMPRESSIONS_A_USER, MONTHS, LIST_LENGTH, DIMENSIONS = 20, 2, 12, 20, 32
FEATURES_BYTES = 160  # of a user's packed row
BEFORE, AFTER = "s-20250101-00000000000a", "s-20250101-00000000000b"
USER = "'u-' || substr(md5('{salt}' || {number}), 1, 26)"


def user_id(number: int) -> str:
    """The id of a user, 28 characters."""
    return str(duckdb.execute(f"SELECT {_user(str(number))}").fetchall()[0][0])


def write_landing(settings: Settings, users: int) -> None:
    """Batches; user 0 and all others have ``EVENTS_A_USER`` events over the year on average."""
    events, shown = users * EVENTS_A_USER, users * IMPRESSIONS_A_USER
    with closing(duckdb.connect(config={"threads": settings.threads})) as connection:
        _batch(
            connection,
            settings.landing / "files" / "users" / "users",
            f"SELECT {_user('i')} AS user_id, TIMESTAMP '2024-01-01' AS first_seen_at "
            f"FROM range({users}) AS numbers(i)",
        )
        for month in range(MONTHS):
            first, last = (events * each // MONTHS for each in (month, month + 1))
            _batch(
                connection,
                settings.landing / "files" / "events" / f"{month:02}",
                f"""SELECT 'e' || i AS event_id, {_user(f"i % {users}")} AS user_id,
                        'b' || i // 3 AS session_id, 'i' || hash(i) % 50000 AS item_id,
                        'purchase' AS event_type, 1::BIGINT AS quantity,
                        (hash(i) % 5000 / 100)::DOUBLE AS value, NULL::VARCHAR AS query,
                        TIMESTAMP '2024-01-01' + to_seconds(i * 31536000 // {events}) AS event_at
                    FROM range({first}, {last}) AS numbers(i)""",
            )
        slate = "'s' || i"
        _batch(
            connection,
            settings.landing / "feedback" / "impressions" / "00",
            f"""SELECT 'm' || i AS impression_id, {slate} AS slate_id,
                    {_user(f"i % {users}")} AS user_id, 'i' || hash(i) % 50000 AS item_id,
                    0::BIGINT AS position, 'uniform' AS policy, 0.5::DOUBLE AS propensity,
                    TIMESTAMP '2024-12-01' + to_seconds(i % 2000000) AS shown_at
                FROM range({shown}) AS numbers(i)""",
        )
        _batch(
            connection,
            settings.landing / "feedback" / "propensities" / "00",
            f"SELECT {slate} AS slate_id, 0::BIGINT AS position, 'c' || c AS candidate_id, "
            f"0.25::DOUBLE AS propensity FROM range({shown}) AS numbers(i), range(4) AS of(c)",
        )


def write_derived(settings: Settings, snapshot_id: str, users: int, first: int) -> None:
    """What is derived from the events of the users from number ``first`` on, made live."""
    marts = settings.snapshots / snapshot_id / "marts"
    run = settings.runs / snapshot_id / "personal_frequency-000000000001"
    release = settings.releases / "r-000000000001"
    for folder in (marts, run, release, settings.online / snapshot_id):
        folder.mkdir(parents=True, exist_ok=True)
    numbers = f"range({first}, {users}) AS numbers(i)"
    items = f"list_transform(range({LIST_LENGTH}), lambda n: 'i' || hash(i + n) % 50000)"
    numbers_of = "list_transform(range({count}), lambda n: (hash(i + n) % 1000 / 1000)::FLOAT)"
    scores, vector = (numbers_of.format(count=each) for each in (LIST_LENGTH, DIMENSIONS))
    tables = {
        marts / "users": f"SELECT {_user('i')} AS user_id FROM {numbers}",
        marts / "sequences": f"SELECT {_user('i')} AS user_id, {items} AS item_ids FROM {numbers}",
        marts / "events": f"""SELECT 'e' || i AS event_id, {_user(f"{first} + i % {users - first}")}
            AS user_id, 'b' || i // 3 AS session_id, 'i' || hash(i) % 50000 AS item_id,
            'purchase' AS event_type, (hash(i) % 5000 / 100)::DOUBLE AS value
            FROM range({users * EVENTS_A_USER}) AS numbers(i)""",
        run / "ranked_lists": f"SELECT {_user('i')} AS user_id, {items} AS item_ids, "
        f"{scores} AS scores FROM {numbers}",
        run / "user_vectors": f"SELECT {_user('i')} AS user_id, {vector} AS vector FROM {numbers}",
    }
    with closing(duckdb.connect(config={"threads": settings.threads})) as connection:
        for path, query in tables.items():
            connection.execute(f"COPY ({query}) TO '{path}.parquet' (FORMAT parquet)")
        for name in ("ranked_lists", "user_vectors"):
            found = connection.sql(f"FROM '{run / name}.parquet' ORDER BY user_id")
            _write_arrow(release / f"{name}.arrow", found.to_arrow_reader(100_000))
            (release / f"{name}.parquet").hardlink_to(run / f"{name}.parquet")
        ids = connection.sql(f"SELECT {_user('i')} FROM {numbers}")
        _write_online(settings.online / snapshot_id / "online_store.db", ids)
    SnapshotDescription.model_validate({"id": snapshot_id, "as_of": "2025-01-01T00:00:00"}).write(
        settings.snapshots / snapshot_id / "snapshot.json"
    )
    settings.live_snapshot.flip(snapshot_id)


def _user(number: str) -> str:
    return USER.format(salt="penchant ", number=f"({number})")


def _batch(connection: duckdb.DuckDBPyConnection, folder: Path, query: str) -> None:
    folder.mkdir(parents=True)
    connection.execute(f"COPY ({query}) TO '{folder / 'data.parquet'}' (FORMAT parquet)")
    counted = connection.execute(f"SELECT count(*) FROM '{folder / 'data.parquet'}'").fetchall()
    write_json(folder / "batch.json", {"rows": counted[0][0]})


def _write_arrow(path: Path, batches: pa.RecordBatchReader) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _write_online(path: Path, ids: duckdb.DuckDBPyRelation) -> None:
    """A view of users with the keys that Feast writes."""
    head = b"\x01\x00\x00\x00\x02\x00\x00\x00\x07\x00\x00\x00user_id\x02\x00\x00\x00"
    packed = bytes(FEATURES_BYTES)
    rows = ids.fetchall()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE user_statistics (entity_key BLOB PRIMARY KEY, event_at INTEGER, "
            "packed_row BLOB) WITHOUT ROWID"
        )
        keys = (head + len(user).to_bytes(4, "little") + user.encode() for (user,) in rows)
        connection.executemany(
            "INSERT INTO user_statistics VALUES (?, 0, ?)", ((key, packed) for key in keys)
        )
