"""Drift of numeric columns from the previous snapshot: the population stability index (PSI).

PSI = Σ (p - q) ln(p / q) over bins, with q the share of the previous snapshot's rows in a bin and
p the share now. Bins are the previous snapshot's deciles, and one for nulls. By convention a PSI
below 0.1 is no change, above 0.25 a significant one (Siddiqi, Credit Risk Scorecards, 2006).
"""

import math
from collections.abc import Sequence

import duckdb

from penchant.quality.views import quoted, rows_of

DECILES = [step / 10 for step in range(1, 10)]
SMALLEST_SHARE = 1e-4  # of an empty bin: the logarithm needs more than 0
MIN_ROWS = 500  # with fewer, a decile has under 50 rows and varies by chance
SAMPLE_ROWS = 100_000  # larger tables are sampled: shares are accurate to 0.1 points
NOW, BEFORE = "drift_now", "drift_before"


def stability_indices(
    connection: duckdb.DuckDBPyConnection,
    current: str,
    previous: str,
    key: Sequence[str],
    columns: Sequence[str],
) -> dict[str, float]:
    """PSI of each of ``columns``; empty if either table has fewer than MIN_ROWS rows.

    NaN and infinity count as nulls: another rule rejects them.
    """
    if not columns or any(rows_of(connection, table) < MIN_ROWS for table in (current, previous)):
        return {}
    _sample(connection, current, NOW, key, columns)
    _sample(connection, previous, BEFORE, key, columns)
    edges = _deciles(connection, columns)
    now, before = (_histograms(connection, table, edges) for table in (NOW, BEFORE))
    return {column: _stability_index(now[column], before[column]) for column in columns}


def largest_index(share: float) -> float:
    """The largest PSI of tables that have all but a share of their rows in common.

    The differences p - q add up to twice the share at most, and no |ln(p / q)| is beyond that of
    the smallest share.
    """
    return 2 * share * -math.log(SMALLEST_SHARE)


def _sample(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    into: str,
    key: Sequence[str],
    columns: Sequence[str],
) -> None:
    """About SAMPLE_ROWS rows, selected by the hash of their key: the same at each run."""
    values = [
        f"case when isfinite({quoted(name)}::double) then {quoted(name)}::double end {quoted(name)}"
        for name in columns
    ]
    connection.execute(
        f"create or replace temp table {into} as select {', '.join(values)} from {quoted(table)} "
        f"where hash({', '.join(map(quoted, key))}) % {rows_of(connection, table)} < {SAMPLE_ROWS}"
    )


def _deciles(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[str]
) -> dict[str, list[float]]:
    """Distinct deciles of each column in the previous snapshot; none if it is all null."""
    wanted = ", ".join(f"quantile_disc({quoted(column)}, {DECILES})" for column in columns)
    found = connection.execute(f"select {wanted} from {BEFORE}").fetchall()[0]
    return {
        column: sorted(set(deciles or [])) for column, deciles in zip(columns, found, strict=True)
    }


def _histograms(
    connection: duckdb.DuckDBPyConnection, table: str, edges: dict[str, list[float]]
) -> dict[str, list[int]]:
    """Rows per bin of each column: up to each edge, above the last, null."""
    counts = ", ".join(
        f"histogram({quoted(column)}, {bins!r}::double[]), count({quoted(column)})"
        for column, bins in edges.items()
    )
    *found, rows = connection.execute(f"select {counts}, count(*) from {table}").fetchall()[0]
    histograms = {}
    for (column, bins), upto, known in zip(edges.items(), found[::2], found[1::2], strict=True):
        counted = [(upto or {}).get(edge, 0) for edge in bins]
        histograms[column] = [*counted, known - sum(counted), rows - known]
    return histograms


def _stability_index(now: list[int], before: list[int]) -> float:
    terms = ((p - q) * math.log(p / q) for p, q in zip(_shares(now), _shares(before), strict=True))
    return round(sum(terms), 6)


def _shares(counts: list[int]) -> list[float]:
    return [max(count / sum(counts), SMALLEST_SHARE) for count in counts]
