"""Rows that are left out of a file whose mapping says ``reject_rows``, each with its reason."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from penchant.ingestion.landing.checking import CheckResult, broken_rows_sql
from penchant.ingestion.landing.contract import Contract, Reason
from penchant.ingestion.landing.reading import Reading, identifier

FILE = "rejected.jsonl"
TABLE = "rejected_rows"
PLACE = identifier("place in file")


def reject_rows(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    reading: Reading,
    now: datetime,
    result: CheckResult,
    most: float,
) -> tuple[Reading, tuple[Reason, ...]] | None:
    """The file without the rows that break a rule, and a reason for each of them.

    None where a reason is about the whole file, or more than the share ``most`` of rows breaks a
    rule: then the mapping is wrong, not the rows.
    """
    if not all(reason.rows for reason in result.reasons):
        return None
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {TABLE} AS {broken_rows_sql(contract, reading, now)}"
    )
    (rows,) = connection.execute(f"SELECT count(DISTINCT place) FROM {TABLE}").fetchall()[0]
    if rows > most * result.rows:
        return None
    listed = connection.execute(f"FROM {TABLE} ORDER BY place, code").fetchall()
    numbered = f"SELECT *, {reading.row} AS {PLACE} FROM {reading.relation}"
    kept = f"(SELECT * FROM ({numbered}) WHERE {PLACE} NOT IN (SELECT place FROM {TABLE}))"
    reasons = tuple(
        Reason(code, column, detail, 1, place, value)
        for place, code, column, detail, value in listed
    )
    return replace(reading, relation=kept, row=PLACE, plain_parquet=False), reasons


def write_rejected(folder: Path, reasons: Sequence[Reason]) -> None:
    """Keep the reasons beside the rows that landed, one a line."""
    lines = [json.dumps(_line(reason)) for reason in reasons]
    (folder / FILE).write_text("".join(f"{line}\n" for line in lines))


def _line(reason: Reason) -> dict[str, Any]:
    return {
        "row": reason.first_row,
        "column": reason.column,
        "value": reason.value,
        "code": reason.code,
        "detail": reason.detail,
    }
