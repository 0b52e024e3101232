"""Features as they are served now, against an earlier snapshot: PSI of every numeric column.

Compared are the newest rows of each entity: those that are online.
"""

from collections.abc import Iterator

import duckdb

from penchant.artifacts import Snapshot
from penchant.artifacts.monitoring import Against, FeatureShift
from penchant.manifest import Mart, read_marts
from penchant.quality.drift import stability_indices
from penchant.quality.views import NUMBERS, add_view, columns_of, quoted

LIMIT = 0.25
NOW, BEFORE = "shift_now", "shift_before"


def feature_shifts(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    earlier: Snapshot,
    against: Against,
) -> Iterator[FeatureShift]:
    """Of each numeric column that both have; views with fewer than 500 rows are left out."""
    for mart in feature_marts(snapshot):
        if not snapshot.mart(mart.name).exists() or not earlier.mart(mart.name).exists():
            continue
        for view, of in ((NOW, snapshot), (BEFORE, earlier)):
            _add_newest(connection, view, mart, of)
        both = columns_of(connection, NOW).items() & columns_of(connection, BEFORE).items()
        key = [name for name in mart.primary_key if name != time_of(mart)]
        columns = sorted(name for name, kind in both if kind in NUMBERS and name not in key)
        found = stability_indices(connection, NOW, BEFORE, key, columns)
        for column, index in found.items():
            yield FeatureShift(
                view=mart.name,
                column=column,
                against=against,
                snapshot_id=earlier.id,
                stability_index=index,
            )


def feature_marts(snapshot: Snapshot) -> list[Mart]:
    """The marts that are feature views with a time."""
    if not snapshot.manifest.exists():
        return []
    return [mart for mart in read_marts(snapshot.manifest) if "feature_view" in mart.meta]


def time_of(mart: Mart) -> str:
    return str(mart.meta["feature_view"]["timestamp"])


def expires(mart: Mart) -> bool:
    """Whether rows of a view are served for a time only, so that each entity has one at ``as_of``;
    rows of other views are valid until the next."""
    return int(mart.meta["feature_view"]["ttl_days"]) > 0


def _add_newest(
    connection: duckdb.DuckDBPyConnection, view: str, mart: Mart, snapshot: Snapshot
) -> None:
    source, time = f"{view}_all", quoted(time_of(mart))
    connection.execute(f"drop view if exists {view}; drop view if exists {source}")
    add_view(connection, source, snapshot.mart(mart.name))
    key = ", ".join(quoted(name) for name in mart.primary_key if name != time_of(mart))
    newest = (
        f"where {time} = (select max({time}) from {source})"
        if expires(mart)
        else f"qualify row_number() over (partition by {key} order by {time} desc) = 1"
    )
    connection.execute(f"create view {view} as select * from {source} {newest}")
