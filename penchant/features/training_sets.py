"""Stage ``training-sets``: training sets by point-in-time joins, with Feast's historical retrieval.

The features are those of the feature service that is used online, from the same definitions. Each
row has the features as of the time when the ad was shown or the campaign began. Each view adds the
time of the joined row, ``<view>__feature_time``, so that training can check for feature leakage.
Feast does not return that time: it is added as a feature, in copies of the marts.
"""

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import duckdb
import pyarrow as pa

from feature_repo.definitions import Definitions, definitions
from feature_repo.views import source_of
from penchant.artifacts import Snapshot
from penchant.encryption import parquet as pq
from penchant.encryption.duckdb_connection import connect, parquet_relation
from penchant.feast_sdk import FeatureStore, FeatureView
from penchant.features.repository import open_store
from penchant.settings import Settings
from penchant.storage import atomic_directory

SERVICE = "response"
FEATURE_TIME = "feature_time"
EVENT_TIME = "event_timestamp"
"""Feast's name of the time as of which features are joined."""


@dataclass(frozen=True)
class TrainingSet:
    """A mart that features are joined to. ``key``: its id column; ``time``: as of when to join."""

    name: str
    key: str
    time: str


SETS = (
    TrainingSet("ad_responses", "impression_id", "shown_at"),
    TrainingSet("campaign_spending", "offer_id", "starts_at"),
    TrainingSet("ad_candidates", "offer_id", "feature_at"),
)


@dataclass(frozen=True)
class TrainingSetsReport:
    """Rows and columns of each training set of a snapshot."""

    snapshot_id: str
    status: Literal["assembled", "unchanged"]
    rows: dict[str, int]
    columns: dict[str, int]

    def summary(self) -> str:
        """One line of output."""
        sets = ", ".join(
            f"{name} ({rows:,} rows, {self.columns[name]} columns)"
            for name, rows in self.rows.items()
        )
        return f"training sets of {self.snapshot_id} ({self.status}): {sets}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def training_sets(settings: Settings, snapshot_id: str) -> TrainingSetsReport:
    """Assemble the training sets of a checked snapshot, once.

    Raises UsageError when the snapshot has not passed its checks, RuntimeError on feature leakage
    or when the join loses a row.
    """
    snapshot = Snapshot.checked(settings, snapshot_id)
    paths = {each.name: snapshot.training_set(each.name) for each in SETS}
    status: Literal["assembled", "unchanged"] = "unchanged"
    if not all(path.is_file() for path in paths.values()):
        status = "assembled"
        folder = snapshot.training_set(SETS[0].name).parent
        with atomic_directory(folder) as staging, TemporaryDirectory() as scratch:
            for name, table in joined_sets(settings, snapshot, Path(scratch)):
                pq.write_table(table, staging / paths[name].name, compression="zstd")
    schemas = {name: pq.read_metadata(path) for name, path in paths.items()}
    return TrainingSetsReport(
        snapshot_id,
        status,
        {name: schema.num_rows for name, schema in schemas.items()},
        {name: schema.num_columns for name, schema in schemas.items()},
    )


def joined_sets(
    settings: Settings, snapshot: Snapshot, scratch: Path, sets: tuple[TrainingSet, ...] = SETS
) -> Iterator[tuple[str, pa.Table]]:
    """Each set's name, and its rows with the features of their user, sorted by key.

    ``scratch``: an empty folder. Raises RuntimeError on feature leakage.
    """
    defined = definitions(snapshot, parquet_folder=scratch, time_as=FEATURE_TIME)
    views = _views_of_service(defined)
    with connect(settings.home) as connection:
        for view in views:
            _copy_with_time(connection, snapshot.mart(view.name), view)
        store = _store(settings, snapshot, scratch, defined)
        for each in sets:
            yield each.name, _join(connection, snapshot, store, each, views)


def _join(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    store: FeatureStore,
    what: TrainingSet,
    views: list[FeatureView],
) -> pa.Table:
    rows = parquet_relation(connection, snapshot.mart(what.name))
    entities = rows.project(f"{what.key}, user_id, {what.time} AS {EVENT_TIME}").df()
    schema = _feature_schema(connection, what, views)
    features = schema.empty_table()
    if len(entities):
        features = _retrieve(store, entities).select(schema.names).cast(schema)
    joined = (
        rows.project(f"*, {what.time} AS {EVENT_TIME}")
        .join(connection.from_arrow(features), what.key)
        .order(what.key)
        .to_arrow_table()
    )
    _verify(connection, joined, len(entities), what, views)
    return joined


def _views_of_service(defined: Definitions) -> list[FeatureView]:
    service = next(service for service in defined.services if service.name == SERVICE)
    names = {projection.name for projection in service.feature_view_projections}
    return [view for view in defined.views if view.name in names]


def _copy_with_time(connection: duckdb.DuckDBPyConnection, mart: Path, view: FeatureView) -> None:
    """Copy a mart to the view's path, with its time repeated as ``feature_time``."""
    source = source_of(view)
    with_time = parquet_relation(connection, mart).project(
        f"*, {source.timestamp_field} AS {FEATURE_TIME}"
    )
    with_time.write_parquet(source.path)


def _feature_schema(
    connection: duckdb.DuckDBPyConnection, what: TrainingSet, views: list[FeatureView]
) -> pa.Schema:
    """The feature types of the marts, which Feast's result is cast to."""
    fields = [pa.field(what.key, pa.string())]
    for view in views:
        names = ", ".join(feature.name for feature in view.features)
        typed = parquet_relation(connection, Path(source_of(view).path)).project(names).limit(0)
        fields += [
            pa.field(f"{view.name}__{field.name}", field.type)
            for field in typed.to_arrow_table().schema
        ]
    return pa.schema(fields)


def _store(
    settings: Settings, snapshot: Snapshot, scratch: Path, defined: Definitions
) -> FeatureStore:
    embedded = settings.model_copy(update={"feast_registry": None, "feast_redis": None})
    store = open_store(embedded, snapshot.id, scratch, read_only=False)
    with redirect_stdout(io.StringIO()):
        store.apply(defined.objects())
    return store


def _retrieve(store: FeatureStore, rows: Any) -> pa.Table:
    """The features of each row as of its time. ``rows``: a data frame of keys and times."""
    rows[EVENT_TIME] = rows[EVENT_TIME].dt.tz_localize("UTC")
    features = store.get_historical_features(
        entity_df=rows, features=store.get_feature_service(SERVICE), full_feature_names=True
    ).to_arrow()
    return features.drop_columns(["user_id", EVENT_TIME])


def _verify(
    connection: duckdb.DuckDBPyConnection,
    joined: pa.Table,
    rows: int,
    what: TrainingSet,
    views: list[FeatureView],
) -> None:
    """Raise RuntimeError when the join lost or repeated a row, or leaked a later feature."""
    if joined.num_rows != rows:
        raise RuntimeError(
            f"{what.name}: joining features turned {rows} rows into {joined.num_rows}"
        )
    for view in views:
        late = connection.execute(
            f"SELECT count(*) FROM joined WHERE {view.name}__{FEATURE_TIME} > {what.time}"
        ).fetchall()[0][0]
        if late:
            raise RuntimeError(
                f"{what.name}: feature leakage: {late} rows have features of {view.name} from "
                f"after {what.time}"
            )
