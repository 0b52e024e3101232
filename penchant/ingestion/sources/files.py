"""A shop's own CSV, Parquet or JSONL files, mapped to the canonical tables by a YAML file.

:mod:`penchant.ingestion.landing.mapping_file` describes the YAML. Its paths are relative to
``--path`` or PENCHANT_SOURCE_PATH if given, otherwise to the YAML file. Unmapped columns do not
land.
"""

from pathlib import Path

from penchant.errors import NothingToDo, UsageError
from penchant.ingestion.landing.arrival import Arrival, Request
from penchant.ingestion.landing.canonical import OWN_FILES
from penchant.ingestion.landing.mapping import TableMapping
from penchant.ingestion.landing.mapping_file import load

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
        Arrival(by_table[mapping.table], file, mapping, folder)
        for mapping in load(request.mapping, CONTRACTS)
        for file in _files(request, folder, mapping)
    ]


def _files(request: Request, folder: Path, mapping: TableMapping) -> list[Path]:
    pattern = mapping.path.replace("{day}", request.day.isoformat() if request.day else "*")
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
