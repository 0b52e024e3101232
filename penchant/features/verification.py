"""Verify a materialized view: the online store equals the Parquet file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from feature_repo.views import source_of
from penchant.encryption.duckdb_connection import connect, hash_right_sides
from penchant.feast_sdk import FeatureStore, FeatureView
from penchant.features.online_store import WideSqliteOnlineStore

SAMPLE = 50
"""Entities per view that are read back and compared."""


def verify_view(
    store: FeatureStore,
    parquet: Path,
    view: FeatureView,
    start: datetime,
    end: datetime,
    others: bool = False,
) -> int:
    """Compare a view in the online store with each entity's latest row in ``[start, end]``.

    ``others``: entities without a row since ``start`` are online too. Returns the number of
    entities online. Raises RuntimeError that names the view and the difference. In Redis, which
    can't count cheaply, only the sample is compared.
    """
    keys = [column.name for column in view.entity_columns]
    features = [feature.name for feature in view.features]
    time, key = source_of(view).timestamp_field, ", ".join(keys)
    window = {
        "parquet": str(parquet),
        "start": start.astimezone(UTC).replace(tzinfo=None),
        "end": end.astimezone(UTC).replace(tzinfo=None),
    }
    with connect(parquet) as connection:
        hash_right_sides(connection)
        connection.execute(
            f"CREATE TEMP TABLE latest AS SELECT {key}, max({time}) AS {time} "
            f"FROM read_parquet($parquet) WHERE {time} BETWEEN $start AND $end GROUP BY {key}",
            window,
        )
        (wanted,) = connection.execute("SELECT count(*) FROM latest").fetchall()[0]
        sample = connection.execute(
            f"SELECT {', '.join(keys + features)} FROM read_parquet($parquet) "
            f"JOIN (FROM latest ORDER BY hash({key}), {key} LIMIT {SAMPLE}) USING ({key}, {time}) "
            f"WHERE {time} BETWEEN $start AND $end",  # or all columns of the whole year are read
            window,
        ).fetchall()
    online_store = store._get_provider().online_store
    if isinstance(online_store, WideSqliteOnlineStore):
        found = online_store.count(store.config, view)
        if found < wanted or (found > wanted and not others):
            raise RuntimeError(
                f"view {view.name}: {found} entities online, but {wanted} in {parquet}"
            )
        wanted = found
    if sample:
        _compare(store, parquet, view, keys, features, sample)
    return wanted


def _compare(
    store: FeatureStore,
    parquet: Path,
    view: FeatureView,
    keys: list[str],
    features: list[str],
    sample: list[tuple[Any, ...]],
) -> None:
    rows = [dict(zip(keys + features, row, strict=True)) for row in sample]
    online = store.get_online_features(
        features=[f"{view.name}:{feature}" for feature in features],
        entity_rows=[{key: row[key] for key in keys} for row in rows],
    ).to_dict()
    for position, row in enumerate(rows):
        for feature in features:
            value = online[feature][position]
            if _comparable(value) != _comparable(row[feature]):
                entity = {key: row[key] for key in keys}
                raise RuntimeError(
                    f"view {view.name}, feature {feature} of {entity}: "
                    f"{value!r} online, but {row[feature]!r} in {parquet}"
                )


def _comparable(value: Any) -> Any:
    """One form for equal values: Feast truncates times to seconds and returns lists."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware - timedelta(microseconds=aware.microsecond)
    if isinstance(value, list | tuple):
        return [_comparable(element) for element in value]
    return value
