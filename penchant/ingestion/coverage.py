"""How many ids of events are in the catalogue and in the table of users.

Ids of one system that were written in two ways, such as ``17`` and ``17.0`` (pandas writes an
integer beside nulls so), don't fail: they are other people and other products.
"""

from pathlib import Path

import duckdb

from penchant.encryption.duckdb_connection import connect
from penchant.ingestion.landing.reading import literal

LISTED_IN = {"items": "item_id", "users": "user_id"}
NAMED_IDS = 3
SAME = "regexp_replace(regexp_replace(lower(trim({})), '\\.0+$', ''), '^0+(.)', '\\1')"
"""An id without case, blanks, leading zeros and a fraction of zero."""


def coverage(landing: Path) -> tuple[str, ...]:
    """A sentence for each table that lacks ids of the landed events of a source's folder."""
    if not any((landing / "events").glob("*/batch.json")):
        return ()
    with connect(landing) as connection:
        found = [
            _sentence(connection, landing, table, column)
            for table, column in LISTED_IN.items()
            if any((landing / table).glob("*/batch.json"))
        ]
    return tuple(sentence for sentence in found if sentence)


def _sentence(
    connection: duckdb.DuckDBPyConnection, landing: Path, table: str, column: str
) -> str | None:
    rows = {
        name: f"read_parquet({literal(str(landing / name / '*' / 'data.parquet'))}, "
        "union_by_name := true)"
        for name in ("events", table)
    }
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE ids AS SELECT {column} AS id, count(*) AS events, "
        f"{column} IN (SELECT {column} FROM {rows[table]}) AS listed "
        f"FROM {rows['events']} WHERE {column} IS NOT NULL AND NOT starts_with({column}, "
        "'session:') GROUP BY id"
    )
    total, missing, events = connection.execute(
        "SELECT count(*), count(*) FILTER (NOT listed), sum(events) FILTER (NOT listed) FROM ids"
    ).fetchall()[0]
    if not missing:
        return None
    share = f"{100 * missing / total:.3g} % of the {column}s of events"
    sentence = f"table {table} lacks {share} ({missing:,} of {total:,}, in {events:,} events)"
    doubled = connection.execute(
        f"SELECT id, min(listed_id) FROM ids JOIN (SELECT DISTINCT {column} AS listed_id FROM "
        f"{rows[table]}) ON {SAME.format('id')} = {SAME.format('listed_id')} WHERE NOT listed "
        f"GROUP BY id ORDER BY id LIMIT {NAMED_IDS}"
    ).fetchall()
    pairs = ", ".join(f"{ours!r} beside {theirs!r}" for ours, theirs in doubled)
    return f"{sentence}; the same id written in two ways? {pairs}" if pairs else sentence
