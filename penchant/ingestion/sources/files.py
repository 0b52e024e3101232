"""A shop's own CSV, Parquet or JSONL files, mapped to the canonical tables by a YAML file.

See :mod:`penchant.ingestion.landing.mapping` for the YAML. Paths in it are relative to ``--path`` or
PENCHANT_SOURCE_PATH where one is given, and to the YAML file otherwise. Columns that are not mapped
are left out of the batch.
"""

from pathlib import Path

from penchant.errors import NothingToDo, UsageError
from penchant.ingestion.landing.arrival import Arrival, Request
from penchant.ingestion.landing.canonical import CONTRACTS
from penchant.ingestion.landing.mapping import TableMapping, load

NAME = "files"

__all__ = ["CONTRACTS", "NAME", "arrivals"]


def arrivals(request: Request) -> list[Arrival]:
    """Every file that the mapping names, table by table.

    Raises UsageError where there is no mapping, it is wrong, or a path in it fits no file.
    """
    if request.mapping is None:
        raise UsageError(
            f"the source {NAME} needs a mapping of columns",
            "pass --mapping FILE.yaml or set PENCHANT_MAPPING; docs of penchant.ingestion.landing.mapping "
            "have an example",
        )
    folder = request.folder or request.mapping.parent
    by_table = {contract.table: contract for contract in CONTRACTS}
    return [
        Arrival(by_table[mapping.table], file, mapping)
        for mapping in load(request.mapping, CONTRACTS)
        for file in _files(request, folder, mapping)
    ]


def _files(request: Request, folder: Path, mapping: TableMapping) -> list[Path]:
    pattern = mapping.path.replace("{day}", request.day.isoformat() if request.day else "*")
    full = folder / pattern  # an absolute pattern replaces the folder
    exact = [full] if full.is_file() else []
    anchor = Path(full.anchor or ".")
    found = exact or sorted(
        file for file in anchor.glob(str(full.relative_to(anchor))) if file.is_file()
    )
    if not found and request.day and "{day}" in mapping.path:
        raise NothingToDo(
            f"{request.mapping}: tables.{mapping.table}.path has no file of {request.day}: {full}",
            "choose a day that it has",
        )
    if not found:
        raise UsageError(
            f"{request.mapping}: tables.{mapping.table}.path fits no file: {full}",
            "fix the path; it is relative to --path, or to the mapping file without one",
        )
    return found
