"""How far each numeric column moved from the previous snapshot: the population stability index.

PSI = Σ (p - q) ln(p / q) over bins, with q the share of the previous snapshot's rows in a bin and
p the share now. Bins are the previous snapshot's deciles, with the nulls as one more bin. By
convention below 0.1 nothing moved, above 0.25 the population is another one (Siddiqi, Credit Risk
Scorecards, 2006).
"""

import math

import duckdb

from penchant.quality.views import quoted, rows_of

DECILES = [step / 10 for step in range(1, 10)]
SMALLEST_SHARE = 1e-4  # an empty bin counts as this much: the logarithm needs more than nothing
FEWEST_ROWS = 500  # with fewer, a decile holds under 50 rows and moves by chance


def stability_indices(
    connection: duckdb.DuckDBPyConnection, current: str, previous: str, columns: list[str]
) -> dict[str, float]:
    """PSI of each of ``columns``, found in both tables; empty where a table is too small to say.

    Infinite and not-a-number values are left out: another rule refuses them.
    """
    if not columns or any(
        rows_of(connection, table) < FEWEST_ROWS for table in (current, previous)
    ):
        return {}
    edges = dict(zip(columns, _deciles(connection, previous, columns), strict=True))
    before = _histograms(connection, previous, edges)
    now = _histograms(connection, current, edges)
    return {column: _stability_index(now[column], before[column]) for column in columns}


def _deciles(
    connection: duckdb.DuckDBPyConnection, table: str, columns: list[str]
) -> list[list[float]]:
    """The distinct deciles of each column; none where it is all null."""
    wanted = ", ".join(f"quantile_disc({_finite(column)}, {DECILES})" for column in columns)
    found = connection.execute(f"select {wanted} from {quoted(table)}").fetchall()[0]
    return [sorted(set(deciles or [])) for deciles in found]


def _histograms(
    connection: duckdb.DuckDBPyConnection, table: str, edges: dict[str, list[float]]
) -> dict[str, list[int]]:
    """Rows per bin of each column: up to each edge, above the last, null."""
    counts: list[str] = []
    for column, bins in edges.items():
        value = _finite(column)
        upto = [f"count(*) filter ({value} <= {edge!r})" for edge in bins]
        counts.append(f"[{', '.join([*upto, f'count({value})', 'count(*)'])}]")
    found = connection.execute(f"select {', '.join(counts)} from {quoted(table)}").fetchall()[0]
    return {column: _steps(running) for column, running in zip(edges, found, strict=True)}


def _steps(running: list[int]) -> list[int]:
    return [upto - before for before, upto in zip([0, *running], running, strict=False)]


def _finite(column: str) -> str:
    value = f"{quoted(column)}::double"
    return f"case when isfinite({value}) then {value} end"


def _stability_index(now: list[int], before: list[int]) -> float:
    terms = ((p - q) * math.log(p / q) for p, q in zip(_shares(now), _shares(before), strict=True))
    return round(sum(terms), 6)


def _shares(counts: list[int]) -> list[float]:
    return [max(count / sum(counts), SMALLEST_SHARE) for count in counts]
