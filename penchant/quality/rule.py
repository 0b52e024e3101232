"""A rule of a mart: a query that returns no row.

Great Expectations runs it on the whole mart (expectations.py). Where only some rows differ from
those of a snapshot that has passed, DuckDB runs it on those alone (changed_rows.py), for which
nothing here imports Great Expectations: that takes 3 s.
"""

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["critical", "warning"]
CRITICAL: Severity = "critical"
WARNING: Severity = "warning"


@dataclass(frozen=True)
class BuiltIn:
    """The class of Great Expectations that says the same, and its arguments."""

    expectation: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Rule:
    """``{batch}`` in ``query`` stands for the mart.

    ``of_changed``: the query where only the rows in ``{changed}`` are new; None where it needs all
    rows, as it does if the query ``unless`` returns a row. ``built_in``: shown by Great
    Expectations in place of the query.
    """

    name: str
    description: str
    query: str
    severity: Severity = CRITICAL
    column: str | None = None
    of_changed: str | None = None
    built_in: BuiltIn | None = None
    unless: str | None = None


def rule_of_rows(
    name: str,
    description: str,
    query: str,
    column: str | None = None,
    built_in: BuiltIn | None = None,
) -> Rule:
    """A critical rule that holds for a mart if it holds for each of its rows alone."""
    of_changed = query.replace("{batch}", "{changed}")
    return Rule(name, description, query, CRITICAL, column, of_changed, built_in)
