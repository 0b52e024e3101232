"""Contracts of the canonical tables, derived from ``dbt/canonical_tables.yml``.

Identifiers are text; timestamps are naive microseconds in UTC; money is in the shop's currency. A
return is an event of its own, with negative quantity and value.
"""

from typing import Any

import yaml

from penchant.ingestion.landing.contract import Code, Column, Contract, Rule
from penchant.settings import PROJECT_ROOT

CANONICAL_TABLES: dict[str, dict[str, Any]] = yaml.safe_load(
    (PROJECT_ROOT / "dbt" / "canonical_tables.yml").read_text()
)["canonical_tables"]


def canonical_contract(table: str) -> Contract:
    """The contract of files that hold a canonical table."""
    described = CANONICAL_TABLES[table]
    return Contract(
        table=table,
        columns=tuple(
            _column(name, column)
            for name, column in described["columns"].items()
            if "added_by" not in column
        ),
        key=tuple(described["key"]),
        rules=tuple(
            Rule(Code(rule["code"]), rule["column"], rule["violated"], rule["detail"])
            for rule in described.get("rules", ())
        ),
        user_column="user_id" if "user_id" in described["columns"] else None,
    )


def _column(name: str, described: dict[str, Any]) -> Column:
    return Column(
        name=name,
        type=described.get("landed_as", described["type"]).upper(),
        nullable=not described.get("required", False),
        minimum=described.get("min"),
        maximum=described.get("max"),
        accepted=tuple(described.get("accepted", ())),
        may_be_ahead=described.get("planned", False),
    )


CONTRACTS = tuple(
    canonical_contract(table)
    for table, described in CANONICAL_TABLES.items()
    if described.get("from_files", True)
)
"""Of the tables that a shop's own files can be mapped to."""
