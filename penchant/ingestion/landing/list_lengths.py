"""One length of a list for each group, over all batches of a table.

``checking`` compares the rows of one file. Vectors of a kind come in many files, over months and
from several sources: one by another model would only be noticed when a family is trained.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from penchant.ingestion.landing.arrival import Arrival
from penchant.ingestion.landing.contract import Code, Contract, Reason
from penchant.ingestion.landing.reading import identifier, literal

Lengths = dict[str, int]


def lengths_of(connection: duckdb.DuckDBPyConnection, contract: Contract, query: str) -> Lengths:
    """The length of each group in rows that passed their checks; none without a list column."""
    found: Lengths = {}
    for column in contract.columns:
        if column.same_length_by is not None:
            group, length = identifier(column.same_length_by), f"len({identifier(column.name)})"
            rows = connection.execute(f"SELECT {group}, max({length}) FROM ({query}) GROUP BY 1")
            found |= dict(rows.fetchall())
    return found


def other_lengths(
    connection: duckdb.DuckDBPyConnection, landing: Path, arrival: Arrival, own: Lengths
) -> tuple[Reason, ...]:
    """A reason for each group with another length in an earlier batch that this file leaves.

    ``landing``: of all sources. ``own``: lengths of the arrived file.
    """
    column = next((each for each in arrival.contract.columns if each.same_length_by), None)
    if column is None or not own:
        return ()
    reasons: dict[str, Reason] = {}
    for batch, folder in _kept(landing, arrival):
        landed = batch.get("lengths")
        if landed is None:  # it landed before lengths were recorded
            query = f"SELECT * FROM read_parquet({literal(str(folder / 'data.parquet'))})"
            landed = lengths_of(connection, arrival.contract, query)
        for group in sorted(own.keys() & landed.keys()):
            if own[group] != landed[group]:
                detail = (
                    f"{own[group]} numbers for {column.same_length_by} {group!r}, but "
                    f"{landed[group]} in {batch['original_name']}, which landed as "
                    f"{batch['source']} at {batch['landed_at']}: name another "
                    f"{column.same_length_by}, or land the whole table anew with whole_table"
                )
                reasons.setdefault(group, Reason(Code.NOT_ALLOWED, column.name, detail))
    return tuple(reasons.values())


def _kept(landing: Path, arrival: Arrival) -> Iterator[tuple[dict[str, Any], Path]]:
    """Landed batches of the table that no whole table replaces, oldest first, with their folders.

    The rule is that of the staging model ``stg_landing__batches``.
    """
    files = landing.glob(f"*/{arrival.contract.table}/*/batch.json")
    found = [(json.loads(file.read_text()), file.parent) for file in files]
    found.sort(key=lambda each: (each[0]["landed_at"], each[0]["original_name"], each[0]["sha256"]))
    replacing = {
        (batch["source"], batch["mapped_by"]): place
        for place, (batch, _) in enumerate(found)
        if batch.get("whole_table")
    }
    mapping = arrival.mapping
    if mapping is not None and mapping.whole_table:
        replacing["files", mapping.key] = len(found)
    for place, (batch, folder) in enumerate(found):
        own = batch.get("mapped_by")
        later = (
            last
            for (source, by), last in replacing.items()
            if source == batch["source"] and own in (None, by)
        )
        if place >= max(later, default=0):
            yield batch, folder
