"""A shop's own CSV, Parquet or JSONL files, mapped to the canonical tables by a YAML file.

:mod:`penchant.ingestion.landing.mapping_file` describes the YAML. Its paths are relative to
``--path`` or PENCHANT_SOURCE_PATH if given, otherwise to the YAML file; or addresses of HTTP
servers, object stores, databases and Kafka topics. Unmapped columns do not land.
"""

import json
from pathlib import Path

from penchant.errors import NothingToDo, UsageError
from penchant.ingestion.landing.arrival import Arrival, Request
from penchant.ingestion.landing.canonical import OWN_FILES
from penchant.ingestion.landing.contract import Contract
from penchant.ingestion.landing.mapping import TableMapping
from penchant.ingestion.landing.mapping_file import load
from penchant.ingestion.sources.kafka_topics import is_kafka, new_messages
from penchant.ingestion.sources.mysql_tables import copy_table as copy_mysql_table
from penchant.ingestion.sources.mysql_tables import is_mysql
from penchant.ingestion.sources.remote_files import fetch, is_remote
from penchant.ingestion.sources.watermarks import mark_of

NAME = "files"
CONTRACTS = OWN_FILES

__all__ = ["CONTRACTS", "NAME", "arrivals"]


def arrivals(request: Request) -> list[Arrival]:
    """Every file that the mapping names, table by table.

    Raises UsageError when the mapping is missing or invalid, or a path matches no file.
    """
    if request.mapping is None:
        raise UsageError(
            f"the source {NAME!r} needs a column mapping",
            "pass --mapping FILE.yml or set PENCHANT_MAPPING; see docs/examples/mapping.yml",
        )
    folder = request.folder or request.mapping.parent
    by_table = {contract.table: contract for contract in CONTRACTS}
    return [
        arrival
        for mapping in load(request.mapping, CONTRACTS)
        for arrival in _arrivals(request, folder, by_table[mapping.table], mapping)
    ]


def _arrivals(
    request: Request, folder: Path, contract: Contract, mapping: TableMapping
) -> list[Arrival]:
    """The files that a mapping names; none where a topic or a watermark has nothing new."""
    key = f"{request.mapping}: {mapping.key}"
    if is_kafka(mapping.path):
        found = new_messages(contract, mapping, request.workspace / "kafka" / mapping.key)
        return [] if found is None else [found]
    if mapping.from_table is not None:
        file = _table(request, mapping, mapping.from_table, f"{key}.path")
        return [] if file is None else [Arrival(contract, file, mapping, file.parent)]
    pattern = mapping.path.replace("{day}", request.day.isoformat() if request.day else "*")
    if is_remote(pattern):
        files, folder = fetch(pattern, request.workspace, f"{key}.path")
    else:
        files = _local(request, folder, mapping, pattern)
    return [Arrival(contract, file, mapping, folder) for file in files]


def _table(request: Request, mapping: TableMapping, table: str, key: str) -> Path | None:
    """A table of a database, written to a file; None where a watermark has not moved."""
    landed = (request.settings.landing / NAME / mapping.table).glob("*/batch.json")
    batches = [json.loads(path.read_text()) for path in landed]
    marks = {
        batch["landed_at"]: mark
        for batch in batches
        if (mark := mark_of(batch["original_name"], table)) is not None
        and batch["mapped_by"] == mapping.key
    }
    after = marks[max(marks)] if marks else None
    folder = request.workspace / "tables" / mapping.key
    if is_mysql(mapping.path):
        return copy_mysql_table(mapping.path, table, mapping.watermark, after, folder, key)
    from penchant.ingestion.sources.postgres_tables import copy_table  # imports psycopg

    return copy_table(mapping.path, table, mapping.watermark, after, folder, key)


def _local(request: Request, folder: Path, mapping: TableMapping, pattern: str) -> list[Path]:
    full = folder / pattern  # an absolute pattern ignores the folder
    exact = [full] if full.is_file() else []
    anchor = Path(full.anchor or ".")
    found = exact or sorted(
        file for file in anchor.glob(str(full.relative_to(anchor))) if file.is_file()
    )
    if not found and request.day and "{day}" in mapping.path:
        raise NothingToDo(
            f"{request.mapping}: {mapping.key}.path has no file of {request.day}: {full}",
            "pass a day that has a file",
        )
    if not found:
        raise UsageError(
            f"{request.mapping}: {mapping.key}.path matches no file: {full}",
            "fix the path; it is relative to --path, or without it to the mapping file",
        )
    return found
