"""Contracts of the canonical tables, derived from ``dbt/canonical_tables.yml``.

Identifiers are text; timestamps are naive microseconds in UTC; money is in the shop's currency. A
return is an event of its own, with negative quantity and value.
"""

from typing import Any

import yaml

from penchant.ingestion.landing.contract import Code, Column, Contract, Rule
from penchant.settings import PROJECT_ROOT

CANONICAL_TABLES: dict[str, dict[str, Any]] = yaml.load(
    (PROJECT_ROOT / "dbt" / "canonical_tables.yml").read_text(), yaml.CSafeLoader
)["canonical_tables"]
SUBJECT = "subject"


def canonical_contract(table: str, own_files: bool = False) -> Contract:
    """The contract of files that hold a canonical table.

    ``own_files``: of a shop's own files, whose ids and some more rules are checked. The API has
    checked those of the feedback log when it took them.
    """
    described = CANONICAL_TABLES[table]
    user = "user_id" if "user_id" in described["columns"] else None
    return Contract(
        table=table,
        columns=tuple(
            _column(name, column, own_files)
            for name, column in described["columns"].items()
            if "added_by" not in column or (own_files and column.get("own_files"))
        ),
        key=tuple(described["key"]),
        rules=tuple(
            Rule(Code(rule["code"]), rule["column"], rule["violated"], rule["detail"])
            for rule in described.get("rules", ())
            if own_files or not rule.get("own_files")
        ),
        user_column=user,
        subject_column=SUBJECT if user and SUBJECT in described["columns"] else None,
    )


def _column(name: str, described: dict[str, Any], own_files: bool) -> Column:
    return Column(
        name=name,
        type=described.get("landed_as", described["type"]).upper(),
        nullable=not described.get("required", False),
        minimum=described.get("min"),
        maximum=described.get("max"),
        accepted=tuple(described.get("accepted", ())),
        may_be_ahead=described.get("planned", False),
        is_id=own_files and (name.endswith("_id") or name == SUBJECT),
        or_from=described.get("or_from"),
        rounds_up=own_files and described.get("rounds_up", False),
        same_length_by=described.get("same_length_by"),
    )


FROM_FILES = tuple(
    table for table, described in CANONICAL_TABLES.items() if described.get("from_files", True)
)
"""The tables that a shop's own files can be mapped to."""

CONTRACTS = tuple(
    canonical_contract(table)
    for table in FROM_FILES
    if not CANONICAL_TABLES[table].get("own_files")
)
OWN_FILES = tuple(canonical_contract(table, own_files=True) for table in FROM_FILES)
