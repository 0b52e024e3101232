"""Validate the rows of a snapshot that differ from those of the one before, which has passed.

A build says which rows it has kept. The rules are those of Great Expectations; DuckDB runs them,
each on the changed rows where that suffices. Without a critical failure this is the same result as
that of a validation of all rows, and takes neither its time nor the 3 s to import Great
Expectations. Warnings compare a mart with the one before or are about all of its rows, so each
check finds its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import duckdb

from penchant.artifacts import MartDescription, Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.manifest import Mart, read_marts
from penchant.quality.drift import largest_index, stability_indices
from penchant.quality.results import SAMPLE, Failure, MartResult, in_order
from penchant.quality.rule import CRITICAL, Rule
from penchant.quality.rules import DRIFT, Evidence, History, drifting_columns, rules_of
from penchant.quality.views import (
    NUMBERS,
    PREVIOUS,
    add_view,
    quoted,
    rows_of,
    without_values,
)

CHANGED = "changed__"
"""Prefix of the changed rows of marts."""


def validate_changed(
    snapshot: Snapshot, previous: Snapshot, threads: int
) -> dict[str, MartResult] | None:
    """The rules of each mart and its warnings; None if a critical rule fails.

    ``previous``: it has passed all critical rules, and ``snapshot`` was built from it.
    """
    marts = {mart.name: mart for mart in read_marts(snapshot.manifest)}
    described = snapshot.description.marts
    files = {path.stem for path in (snapshot.path / "marts").glob("*.parquet")}
    if not described.keys() == marts.keys() == files == previous.description.marts.keys():
        return None
    with connect(snapshot.path, config={"threads": threads}) as connection:
        try:
            columns = {
                name: add_view(connection, name, snapshot.mart(name)) for name in sorted(marts)
            }
            for name in marts:
                add_view(connection, PREVIOUS + name, previous.mart(name))
            compared = _Compared(connection, snapshot, previous)
            results = {}
            for name, mart in marts.items():
                rules = rules_of(mart, compared.evidence(mart, columns[name]))
                failed = [rule for rule in rules if not compared.holds(mart, rule)]
                if any(rule.severity == CRITICAL for rule in failed):
                    return None
                warnings = in_order(compared.warning(mart, rule) for rule in failed)
                results[name] = MartResult(len(rules), warnings)
        except duckdb.Error:
            return None  # such as a damaged file: the validation of all rows names it
    return results


@dataclass(frozen=True)
class _Compared:
    """A connection with a view of each mart of both snapshots. ``found``: query -> whether it
    returns a row."""

    connection: duckdb.DuckDBPyConnection
    snapshot: Snapshot
    previous: Snapshot
    found: dict[str, bool] = field(default_factory=dict)

    def holds(self, mart: Mart, rule: Rule) -> bool:
        query = rule.of_changed
        if query is None or (rule.unless and self._returns_rows(rule.unless)):
            query = rule.query
        query = query.replace("{batch}", quoted(mart.name))
        query = query.replace("{changed}", quoted(CHANGED + mart.name))
        return not self._returns_rows(query)

    def warning(self, mart: Mart, rule: Rule) -> Failure:
        """A failed rule as Great Expectations describes it."""
        found = self.connection.execute(rule.query.replace("{batch}", quoted(mart.name)))
        names, rows = [name for name, *_ in found.description or ()], found.fetchall()
        described = (rule.name, rule.column, rule.severity, rule.description)
        if rule.built_in:
            return Failure(*described, observed=rows[0][0], unexpected_count=None, sample=[])
        sample = [dict(zip(names, map(_plain, row), strict=True)) for row in rows[:SAMPLE]]
        return Failure(*described, len(rows), len(rows), sample)

    def evidence(self, mart: Mart, columns: Mapping[str, str]) -> Evidence:
        """Creates the changed rows too."""
        name = mart.name
        now, before = (each.description.marts[name] for each in (self.snapshot, self.previous))
        self._create_changed(name, now, before)
        changes = now.content_hash != before.content_hash
        empty = self._without_values(mart, columns) if changes else frozenset()
        history = History(
            before.rows,
            self._drift(mart, columns, now.rows, before.rows),
            tuple(columns),
            without_values(self.connection, PREVIOUS + name, empty),
        )
        return Evidence(dict(columns), self.snapshot.as_of, now.rows, history, empty)

    def _create_changed(self, name: str, now: MartDescription, before: MartDescription) -> None:
        changed, mart = quoted(CHANGED + name), quoted(name)
        if now.content_hash == before.content_hash:
            self.connection.execute(f"create temp table {changed} as from {mart} limit 0")
        elif now.kept is None:
            self.connection.execute(f"create temp view {changed} as from {mart}")
        else:
            self.connection.execute(
                f"create temp table {changed} as from {mart} where {_is_changed(now)}",
            )

    def _without_values(self, mart: Mart, columns: Mapping[str, str]) -> frozenset[str]:
        """Columns of a feature mart that are null in every row."""
        if not mart.has_features:
            return frozenset()
        candidates = without_values(self.connection, CHANGED + mart.name, columns)
        return without_values(self.connection, mart.name, candidates)

    def _returns_rows(self, query: str) -> bool:
        if query not in self.found:
            self.found[query] = self.connection.execute(query).fetchone() is not None
        return self.found[query]

    def _drift(
        self, mart: Mart, columns: Mapping[str, str], now: int, before: int
    ) -> dict[str, float]:
        """Of the columns whose drift could be beyond the limit."""
        kept = now - rows_of(self.connection, CHANGED + mart.name)
        share = 1 - kept / max(now, before) if now and before else 0.0
        if largest_index(share) <= DRIFT:
            return {}
        numbers = [each for each in drifting_columns(mart) if columns.get(each) in NUMBERS]
        return stability_indices(
            self.connection, mart.name, PREVIOUS + mart.name, mart.primary_key, numbers
        )


def _is_changed(described: MartDescription) -> str:
    """SQL of the rows of a mart that the build has not kept."""
    assert described.kept is not None
    since = f"timestamp '{described.kept.since.isoformat(sep=' ')}'"
    if described.kept.by != "user_id":
        return f"{quoted(described.kept.by)} >= {since}"
    users = [
        f"select user_id from {quoted(view)} where event_at >= {since}"
        for view in ("events", f"{PREVIOUS}events")
    ]
    return f"user_id in ({' union '.join(users)})"


def _plain(value: Any) -> Any:
    """A value for JSON: DuckDB's literals of fractions are decimals."""
    return float(value) if isinstance(value, Decimal) else value
