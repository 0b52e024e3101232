"""The expectations of a mart, from the dbt manifest and the previous snapshot.

A snapshot with a critical failure does not go live. Warnings are shown in the Data Docs.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from penchant.errors import DataError
from penchant.manifest import Column, Mart, Relationship
from penchant.quality.policy_rules import policy_rules
from penchant.quality.rule import CRITICAL, WARNING, BuiltIn, Rule, Severity, rule_of_rows
from penchant.quality.views import FLOATS, NUMBERS, PREVIOUS, quoted

NEVER_EMPTY = frozenset({"users", "items", "events", "interactions", "sequences"})
FLUCTUATING = frozenset({"excluded_users"})  # a shop without bots is no fault
FRESH = timedelta(days=2)  # maximum age of the last event at as_of
COLLAPSE = 0.5  # the landing only grows: losing half of the rows is a fault
SHRINK, SURGE = 0.9, 3.0  # a warning: legitimate after a backfill or an edited model
DRIFT = 0.25  # population stability index, see drift.py

BOUNDS = (("<", "min"), (">", "max"), ("<=", "above"))
"""Signs of values beyond the bounds of a column's meta."""


@dataclass(frozen=True)
class History:
    """The mart in the previous live snapshot. ``drift`` is the PSI of each numeric column.

    ``columns``: its columns; ``without_values``: those that are null in every row.
    """

    rows: int
    drift: dict[str, float]
    columns: tuple[str, ...] = ()
    without_values: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Evidence:
    """Facts about a mart's Parquet file that its expectations are derived from."""

    columns: dict[str, str]
    as_of: datetime
    rows_built: int
    history: History | None
    without_values: frozenset[str] = frozenset()


def rules_of(mart: Mart, evidence: Evidence) -> list[Rule]:
    """Every expectation of a mart; a missing column fails the column list only."""
    present = [column for column in mart.columns if column.name in evidence.columns]
    return [
        *_contract(mart, evidence),
        *_keys(mart, present),
        *_values(mart, present),
        *_relationships(mart.relationships, evidence),
        *_time(mart, present, evidence.as_of),
        *_volume(mart, evidence),
        *_drift(evidence.history),
        *_served(mart, evidence),
        *policy_rules(mart),
    ]


def drifting_columns(mart: Mart) -> list[str]:
    """The numeric columns whose drift is measured: those of events and features."""
    if not mart.has_features and mart.name != "events":
        return []
    return [column.name for column in mart.columns if column.type in NUMBERS]


def _contract(mart: Mart, evidence: Evidence) -> Iterator[Rule]:
    names = [column.name for column in mart.columns]
    found = f"select {_texts(evidence.columns)} as found"
    yield Rule(
        "expect_table_columns_to_match_ordered_list",
        "columns and their order equal the contract",
        f"select found from ({found}) where found <> {_texts(names)}",
        built_in=BuiltIn("ExpectTableColumnsToMatchOrderedList", {"column_list": names}),
    )
    expected = ", ".join(f"({_text(column.name)}, {_text(column.type)})" for column in mart.columns)
    yield Rule(
        "column_types",
        "column types equal the contract",
        "select column_name, column_type from (describe select * from {batch}) "
        f"where column_name in ({', '.join(map(_text, names))}) "
        f"and (column_name, column_type) not in ({expected}) order by all",
    )


def _keys(mart: Mart, present: list[Column]) -> Iterator[Rule]:
    required = [c.name for c in present if c.name in mart.primary_key or not c.nullable]
    if required:
        yield _wrong_values(
            "not_null",
            f"{', '.join(required)} are never null",
            {name: f"{quoted(name)} is null" for name in required},
        )
    if {column.name for column in present}.issuperset(mart.primary_key):
        # GX's uniqueness joins the table to itself: 3 s on 1.5 million rows against 0.3 s
        key = ", ".join(map(quoted, mart.primary_key))
        copies = f"group by {key} having copies > 1 order by all"
        among = "{changed}"  # a key of a changed row has another time or user than a kept row's
        if mart.kept_by not in mart.primary_key:
            among = f"{{batch}} where ({key}) in (select ({key}) from {{changed}})"
        yield Rule(
            "primary_key",
            f"({', '.join(mart.primary_key)}) is unique",
            f"select {key}, count(*) as copies from {{batch}} {copies}",
            column=", ".join(mart.primary_key),
            of_changed=f"select {key}, count(*) as copies from {among} {copies}",
        )


def _values(mart: Mart, present: list[Column]) -> Iterator[Rule]:
    scalars = [column for column in present if not column.type.endswith("[]")]  # see _elements
    bounded = [column for column in scalars if _beyond(column, quoted(column.name))]
    if bounded:
        yield _wrong_values(
            "bounds",
            ", ".join(map(_bounds, bounded)),
            {column.name: _beyond(column, quoted(column.name)) for column in bounded},
        )
    for column in scalars:
        if column.name in mart.accepted_values:
            yield _accepted(column, mart.accepted_values[column.name])
    lists = [column for column in present if column.type.endswith("[]")]
    if lists:
        yield _elements(mart, lists)
    floats = [column for column in present if column.type.removesuffix("[]") in FLOATS]
    if floats:
        yield _finite(mart, floats)


def _accepted(column: Column, values: tuple[str, ...]) -> Rule:
    name = quoted(column.name)
    return rule_of_rows(
        "expect_column_values_to_be_in_set",
        f"{column.name} is one of {_listed(values)}",
        f"select {name} from {{batch}} where {name} is not null "
        f"and cast({name} as varchar) not in ({', '.join(map(_text, map(str, values)))})",
        column.name,
        BuiltIn("ExpectColumnValuesToBeInSet", {"column": column.name, "value_set": list(values)}),
    )


def _elements(mart: Mart, lists: list[Column]) -> Rule:
    """One rule for all arrays of a mart: Feast has no null elements, and aligned arrays pair up."""
    wrong = {column.name: _wrong_elements(mart, column) for column in lists}
    named = ", ".join(f"case when {test} then {_text(name)} end" for name, test in wrong.items())
    return rule_of_rows(
        "elements",
        f"elements of {', '.join(wrong)} are not null and within their bounds, and aligned arrays "
        "have the same length",
        f"select {_key(mart)}, concat_ws(', ', {named}) as wrong from {{batch}} "
        f"where {' or '.join(wrong.values())} order by all",
    )


def _wrong_elements(mart: Mart, column: Column) -> str:
    """SQL: an element is null or out of bounds, or the array differs in length from its mate."""
    name, mate = quoted(column.name), column.meta.get("aligned_with")
    tests = " or ".join(filter(None, ("x is null", _beyond(column, "x"))))
    wrong = f"len(list_filter({name}, lambda x: {tests})) > 0"
    if mate is not None:
        if mate not in {each.name for each in mart.columns}:
            raise DataError(
                f"mart {mart.name}, column {column.name}: aligned_with: unknown column {mate!r}",
                f"name an array column of the mart in {mart.name}.yml",
            )
        wrong += f" or len({name}) is distinct from len({quoted(mate)})"
    return f"coalesce({wrong}, false)"


def _beyond(column: Column, value: str) -> str:
    """SQL: a value is beyond the bounds of its column; empty for a column without bounds."""
    limits = [(sign, column.meta.get(limit)) for sign, limit in BOUNDS]
    return " or ".join(f"{value} {sign} {limit}" for sign, limit in limits if limit is not None)


def _bounds(column: Column) -> str:
    """Such as ``share is in [0, 1]``."""
    above = column.meta.get("above")
    start = f"[{_limit(column.meta.get('min'))}" if above is None else f"({_limit(above)}"
    return f"{column.name} is in {start}, {_limit(column.meta.get('max'))}]"


def _wrong_values(rule: str, description: str, wrong: Mapping[str, str]) -> Rule:
    """One rule for several columns: each expectation costs GX 20 ms. ``wrong``: column -> SQL.

    A failure lists columns, how many of their values are wrong, and the first of those as text.
    """
    counts = [f"count(*) filter ({test})" for test in wrong.values()]
    firsts = [f"min({quoted(name)}::varchar) filter ({test})" for name, test in wrong.items()]
    return rule_of_rows(
        rule,
        description,
        "select column_name, wrong_values, first_value from ("
        f"select unnest([{', '.join(map(_text, wrong))}]) as column_name, "
        f"unnest([{', '.join(counts)}]) as wrong_values, "
        f"unnest([{', '.join(firsts)}]) as first_value from {{batch}}"
        ") where wrong_values > 0 order by all",
    )


def _finite(mart: Mart, floats: list[Column]) -> Rule:
    """One rule for all float columns of a mart."""
    wrong = {column.name: _not_finite(column) for column in floats}
    named = ", ".join(f"case when {test} then {_text(name)} end" for name, test in wrong.items())
    return rule_of_rows(
        "finite",
        f"{', '.join(wrong)} are never NaN or infinite",
        f"select {_key(mart)}, concat_ws(', ', {named}) as not_finite from {{batch}} "
        f"where {' or '.join(wrong.values())} order by all",
    )


def _not_finite(column: Column) -> str:
    name = quoted(column.name)
    if column.type.endswith("[]"):
        return f"len(list_filter({name}, lambda x: not isfinite(x))) > 0"
    return f"not isfinite({name})"


def _relationships(relationships: Iterable[Relationship], evidence: Evidence) -> Iterator[Rule]:
    for link in relationships:
        if link.column not in evidence.columns:
            continue
        name, target = quoted(link.column), quoted(link.to_column)
        listed = f"select {target} from {quoted(link.to_mart)} where {target} is not null"
        rule = rule_of_rows(
            "relationship",
            f"every {link.column} is in {link.to_mart}.{link.to_column}",
            f"select {name}, count(*) as rows from {{batch}} where {name} is not null and {name} "
            f"not in ({listed}) group by {name} order by all",
            column=link.column,
        )
        vanished = f"select {target} from {quoted(PREVIOUS + link.to_mart)} except ({listed})"
        yield replace(rule, unless=f"{vanished} limit 1")


def _time(mart: Mart, present: list[Column], as_of: datetime) -> Iterator[Rule]:
    """No time is in the future: feature times are at most ``as_of``, others before it."""
    limit = f"timestamp '{as_of:%Y-%m-%d %H:%M:%S.%f}'"
    for column in present:
        if column.meta.get("wall_clock") or column.type.removesuffix("[]") != "TIMESTAMP":
            continue
        name = quoted(column.name)
        latest = f"list_max({name})" if column.type.endswith("[]") else name
        operator = ">" if column.name == "feature_at" else ">="
        yield rule_of_rows(
            "not_in_the_future",
            f"{column.name} is {'at most' if operator == '>' else 'before'} {as_of}",
            f"select {_key(mart)}, {latest} as latest from {{batch}} "
            f"where {latest} {operator} {limit} order by all",
            column=column.name,
        )
    if mart.name == "events":
        yield Rule(
            "fresh",
            f"the latest event is at most {FRESH.days} days before {as_of}",
            f"select max(event_at) as latest from {{batch}} "
            f"having max(event_at) < {limit} - interval {FRESH.days} days",
            column="event_at",
        )


def _served(mart: Mart, evidence: Evidence) -> Iterator[Rule]:
    """Features that vanish from what services read, by name or by having no value any more.

    Without a snapshot before it, or where that had no value either, a column without values is no
    mistake of an edit: a shop may have no catalogue.
    """
    before = evidence.history
    if not mart.has_features or before is None:
        return
    retired = mart.meta.get("feature_view", {}).get("retired", [])
    kept = {column.name for column in mart.columns} | set(retired)
    vanished = [name for name in before.columns if name not in kept]
    if vanished:
        yield _named_columns(
            "served_columns",
            f"columns of the live snapshot are there, or under feature_view.retired in {mart.name}",
            vanished,
        )
    empty = sorted(evidence.without_values - before.without_values)
    if empty and evidence.rows_built and before.rows:
        yield _named_columns("values", "some row has a value of each column", empty)


def _named_columns(rule: str, description: str, columns: list[str]) -> Rule:
    """A failure that lists columns."""
    listed = " union all ".join(f"select {_text(name)} as column_name" for name in columns)
    query = f"from ({listed}) where exists (select 1 from {{batch}}) order by all"
    return Rule(rule, description, f"select * {query}")


def _volume(mart: Mart, evidence: Evidence) -> Iterator[Rule]:
    yield Rule(
        "expect_table_row_count_to_equal",
        "the number of rows equals that of the dbt build",
        f"select count(*) as rows from {{batch}} having rows <> {evidence.rows_built}",
        built_in=BuiltIn("ExpectTableRowCountToEqual", {"value": evidence.rows_built}),
    )
    # a shop without searches or competitors' reviews has empty marts of insights
    served = mart.folder == "features" or "feature_view" in mart.meta
    if mart.name in NEVER_EMPTY or served:
        severity = CRITICAL if mart.name in NEVER_EMPTY else WARNING
        yield _row_count("the mart is not empty", severity, 1)
    history = None if mart.name in FLUCTUATING else evidence.history
    if history is not None and history.rows > 0:
        before = history.rows
        yield _row_count(
            f"at least {COLLAPSE:.0%} of the previous snapshot's {before:,} rows",
            CRITICAL,
            math.ceil(before * COLLAPSE),
        )
        yield _row_count(
            f"{SHRINK:.0%} to {SURGE:.0%} of the previous snapshot's {before:,} rows",
            WARNING,
            math.ceil(before * SHRINK),
            math.floor(before * SURGE),
        )


def _row_count(description: str, severity: Severity, least: int, most: int | None = None) -> Rule:
    beyond = f"rows < {least}" + (f" or rows > {most}" if most is not None else "")
    arguments = {"min_value": least} | ({"max_value": most} if most is not None else {})
    return Rule(
        "expect_table_row_count_to_be_between",
        description,
        f"select count(*) as rows from {{batch}} having {beyond}",
        severity,
        built_in=BuiltIn("ExpectTableRowCountToBeBetween", arguments),
    )


def _drift(history: History | None) -> Iterator[Rule]:
    """Compare the indices, which drift.py has measured, with the limit."""
    if history is None or not history.drift:
        return
    measured = ", ".join(f"({_text(name)}, {index})" for name, index in history.drift.items())
    yield Rule(
        "drift",
        f"{', '.join(history.drift)} have no drift from the previous snapshot "
        f"(population stability index at most {DRIFT})",
        f"select column_name, stability_index from (values {measured}) as measured"
        f"(column_name, stability_index), (select 1 from {{batch}} limit 1) as batch "
        f"where stability_index > {DRIFT} order by all",
        severity=WARNING,
    )


def _key(mart: Mart) -> str:
    return ", ".join(map(quoted, mart.primary_key))


def _limit(value: float | None) -> str:
    return "..." if value is None else f"{value:g}"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(map(str, values))


def _texts(values: Iterable[str]) -> str:
    """An array in SQL."""
    return f"[{', '.join(map(_text, values))}]"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
