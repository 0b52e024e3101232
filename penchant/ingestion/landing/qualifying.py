"""Ids of a named source: ``pos:17`` is the id 17 of the source ``pos``.

Each source has its own id space, so two shops in one home that both count from 1 stay apart. Ids of
a mapping that names no source land as they are: they are the home's own. A guest is
``session:pos:17``. The tables of identities say which of these are the same person or product.
"""

from penchant.ingestion.landing.canonical import SUBJECT
from penchant.ingestion.landing.contract import Contract
from penchant.ingestion.landing.reading import identifier, literal

SOURCE = "source"
GUEST = "session:"


def qualified_sql(contract: Contract, query: str, source: str | None) -> str:
    """The rows of a query, in its order, with the name of the source before each id.

    In tables of identities a row may name its own source.
    """
    names = [column.name for column in contract.columns]
    links = SOURCE in names and SUBJECT in names
    if source is None and not links:
        return query
    said = literal(source) if source else "NULL"
    named = f"coalesce(given.{SOURCE}, {said})" if links else said
    ids = [column.name for column in contract.columns if column.is_id and column.name != SUBJECT]
    replaced = [f"{_qualified(name, named)} AS {identifier(name)}" for name in ids]
    if links:
        replaced.append(f"{named} AS {SOURCE}")
    return f"SELECT * REPLACE ({', '.join(replaced)}) FROM ({query}) AS given"


def _qualified(column: str, source: str) -> str:
    value = f"given.{identifier(column)}"
    guest = f"{literal(GUEST)} || {source} || ':' || substr({value}, {len(GUEST) + 1})"
    return (
        f"CASE WHEN {source} IS NULL THEN {value} WHEN starts_with({value}, {literal(GUEST)}) "
        f"THEN {guest} ELSE {source} || ':' || {value} END"
    )
