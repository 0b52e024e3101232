"""Two versions of a mart, row by row and column by column."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from penchant.manifest import Mart

NUMBERS = ("BIGINT", "INTEGER", "DOUBLE", "DECIMAL", "FLOAT", "HUGEINT", "SMALLINT", "TINYINT")


@dataclass(frozen=True)
class Distribution:
    """Share of nulls and number of distinct values; minimum, mean and maximum of numbers."""

    nulls: float
    distinct: int
    low: float | None = None
    mean: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        numbers = [f"{each:.4g}" for each in (self.low, self.mean, self.high) if each is not None]
        spread = f"{' / '.join(numbers)}, " if numbers else ""
        return f"{spread}{self.distinct:,} values, {100 * self.nulls:.3g} % null"


@dataclass(frozen=True)
class ColumnChange:
    """``what``: appears, vanishes, a change of type, or the number of rows with another value."""

    column: str
    what: str
    before: Distribution | None
    after: Distribution | None


@dataclass(frozen=True)
class MartChange:
    """Rows of a mart by its key, and the columns that differ."""

    mart: str
    rows_before: int
    rows_after: int
    added: int
    removed: int
    changed: int
    columns: tuple[ColumnChange, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def is_equal(self) -> bool:
        return not (self.added or self.removed or self.changed or self.columns)


def compare(
    connection: duckdb.DuckDBPyConnection, mart: Mart, before: Path | None, after: Path
) -> MartChange:
    """Compare two Parquet files of a mart; ``before`` is None for a new one."""
    types_after = _open(connection, "after", after)
    if before is None:
        rows = _one(connection, "select count(*) from after")
        appear = tuple(
            ColumnChange(name, "appears", None, _distribution(connection, "after", name, type_))
            for name, type_ in types_after.items()
        )
        return MartChange(mart.name, 0, rows, rows, 0, 0, appear)
    types_before = _open(connection, "before", before)
    key = [name for name in mart.primary_key if name in types_before and name in types_after]
    using = f"using ({', '.join(map(_quoted, key))})"
    hidden = {column.name for column in mart.columns if column.meta.get("wall_clock")}
    both = [
        name
        for name in types_after
        if name in types_before and name not in key and name not in hidden
    ]
    differs = {
        name: f"before.{_quoted(name)} is distinct from after.{_quoted(name)}" for name in both
    }
    counts = ", ".join(
        f"count(*) filter ({sql})"
        for sql in [" or ".join(differs.values()) or "false", *differs.values()]
    )
    changed, *of_column = connection.execute(
        f"select {counts} from before join after {using}"
    ).fetchall()[0]
    return MartChange(
        mart=mart.name,
        rows_before=_one(connection, "select count(*) from before"),
        rows_after=_one(connection, "select count(*) from after"),
        added=_one(connection, f"select count(*) from after anti join before {using}"),
        removed=_one(connection, f"select count(*) from before anti join after {using}"),
        changed=changed,
        columns=_columns(
            connection, types_before, types_after, dict(zip(both, of_column, strict=True))
        ),
    )


def _columns(
    connection: duckdb.DuckDBPyConnection,
    before: dict[str, str],
    after: dict[str, str],
    changed: dict[str, int],
) -> tuple[ColumnChange, ...]:
    found = []
    for name in [*after, *(name for name in before if name not in after)]:
        if name not in before:
            what = "appears"
        elif name not in after:
            what = "vanishes"
        elif before[name] != after[name]:
            what = f"{before[name]} becomes {after[name]}"
        elif changed.get(name):
            what = f"{changed[name]:,} rows have another value"
        else:
            continue
        sides = [
            _distribution(connection, table, name, types[name]) if name in types else None
            for table, types in (("before", before), ("after", after))
        ]
        found.append(ColumnChange(name, what, *sides))
    return tuple(found)


def _open(connection: duckdb.DuckDBPyConnection, view: str, parquet: Path) -> dict[str, str]:
    """Make a view of a Parquet file; its columns with their types."""
    path = str(parquet).replace("'", "''")
    connection.execute(f"create or replace temp view {view} as from read_parquet('{path}')")
    described = connection.execute(f"describe {view}").fetchall()
    return {name: type_ for name, type_, *_ in described}


def _distribution(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, type_: str
) -> Distribution:
    column = _quoted(name)
    number = type_.split("(")[0] in NUMBERS
    numbers = f"min({column})::double, avg({column})::double, max({column})::double"
    rows, values, distinct, *spread = connection.execute(
        f"select count(*), count({column}), count(distinct {column}), "
        f"{numbers if number else 'null, null, null'} from {table}"
    ).fetchall()[0]
    return Distribution(1 - values / rows if rows else 0.0, distinct, *spread)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
