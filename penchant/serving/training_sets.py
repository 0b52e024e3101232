"""Stage ``training-sets``: point-in-time joined training sets, by Feast's historical retrieval.

The features are those of the service that readers use online, from the same definitions, so what a
model learns from and what it is asked with are one thing. Each row has the features as they were
when the ad was shown. With each view comes the time of the row that was joined,
``<view>__feature_time``, so that training can see for itself that none is from the future; Feast
does not return that time, so it is given it as one more feature, in copies of the marts.
"""

import io
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.definitions import Definitions, definitions
from feature_repo.views import source_of
from penchant.serving.checked_snapshot import checked_snapshot
from penchant.serving.feast import FeatureView
from penchant.serving.feature_repository import open_store
from penchant.settings import Settings
from penchant.snapshot import Snapshot
from penchant.storage import atomic_directory

NAME = "ad_responses"
SERVICE = "response"
FEATURE_TIME = "feature_time"
EVENT_TIME = "event_timestamp"
"""Feast's name for the time as of which features are joined: ``shown_at``."""


@dataclass(frozen=True)
class TrainingSetsReport:
    """The training sets of a snapshot: rows and columns of each."""

    snapshot_id: str
    status: Literal["assembled", "unchanged"]
    rows: dict[str, int]
    columns: dict[str, int]

    def summary(self) -> str:
        """One line for a person."""
        sets = ", ".join(
            f"{name} ({rows:,} rows, {self.columns[name]} columns)"
            for name, rows in self.rows.items()
        )
        return f"training sets of {self.snapshot_id} ({self.status}): {sets}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def training_sets(settings: Settings, snapshot_id: str) -> TrainingSetsReport:
    """Assemble the training sets of a checked snapshot, once.

    Raises UsageError when the snapshot has not passed its checks, RuntimeError when a joined
    feature is from after its row or a row was lost.
    """
    snapshot = checked_snapshot(settings, snapshot_id)
    path = snapshot.training_set(NAME)
    status: Literal["assembled", "unchanged"] = "unchanged"
    if not path.is_file():
        status = "assembled"
        with atomic_directory(path.parent) as staging, TemporaryDirectory() as scratch:
            table = _join(settings, snapshot, Path(scratch))
            pq.write_table(table, staging / path.name, compression="zstd")
    schema = pq.read_metadata(path)
    return TrainingSetsReport(
        snapshot_id, status, {NAME: schema.num_rows}, {NAME: schema.num_columns}
    )


def _join(settings: Settings, snapshot: Snapshot, scratch: Path) -> pa.Table:
    """``ad_responses`` and the features of each row's shopper, sorted by impression."""
    defined = definitions(snapshot, parquet_folder=scratch, time_as=FEATURE_TIME)
    views = _views_of_service(defined)
    with duckdb.connect() as connection:
        responses = connection.read_parquet(str(snapshot.mart(NAME)))
        for view in views:
            _copy_with_time(connection, snapshot.mart(view.name), view)
        shown = responses.project(f"impression_id, user_id, shown_at AS {EVENT_TIME}").df()
        schema = _feature_schema(connection, views)
        features = schema.empty_table()
        if len(shown):
            features = (
                _retrieve(settings, snapshot, scratch, defined, shown)
                .select(schema.names)
                .cast(schema)
            )
        joined = (
            responses.project(f"*, shown_at AS {EVENT_TIME}")
            .join(connection.from_arrow(features), "impression_id")
            .order("impression_id")
            .to_arrow_table()
        )
        _verify(connection, joined, len(shown), views)
    return joined


def _views_of_service(defined: Definitions) -> list[FeatureView]:
    service = next(service for service in defined.services if service.name == SERVICE)
    names = {projection.name for projection in service.feature_view_projections}
    return [view for view in defined.views if view.name in names]


def _copy_with_time(connection: duckdb.DuckDBPyConnection, mart: Path, view: FeatureView) -> None:
    """Copy a mart to where the view reads it, with its time once more as ``feature_time``."""
    source = source_of(view)
    with_time = connection.read_parquet(str(mart)).project(
        f"*, {source.timestamp_field} AS {FEATURE_TIME}"
    )
    with_time.write_parquet(source.path)


def _feature_schema(connection: duckdb.DuckDBPyConnection, views: list[FeatureView]) -> pa.Schema:
    """The types that the marts give the features, whatever became of them on the way."""
    fields = [pa.field("impression_id", pa.string())]
    for view in views:
        names = ", ".join(feature.name for feature in view.features)
        typed = connection.read_parquet(source_of(view).path).project(names).limit(0)
        fields += [
            pa.field(f"{view.name}__{field.name}", field.type)
            for field in typed.to_arrow_table().schema
        ]
    return pa.schema(fields)


def _retrieve(
    settings: Settings, snapshot: Snapshot, scratch: Path, defined: Definitions, shown: Any
) -> pa.Table:
    """Feast's answer: the features of each impression as of its time. ``shown``: a data frame."""
    embedded = settings.model_copy(update={"feast_registry": None, "feast_redis": None})
    store = open_store(embedded, snapshot.id, scratch, read_only=False)
    with redirect_stdout(io.StringIO()):
        store.apply(defined.objects())
    shown[EVENT_TIME] = shown[EVENT_TIME].dt.tz_localize("UTC")
    answer = store.get_historical_features(
        entity_df=shown, features=store.get_feature_service(SERVICE), full_feature_names=True
    ).to_arrow()
    return answer.drop_columns(["user_id", EVENT_TIME])


def _verify(
    connection: duckdb.DuckDBPyConnection, joined: pa.Table, rows: int, views: list[FeatureView]
) -> None:
    """Raise RuntimeError when a row was lost or doubled, or has a feature from after its time."""
    if joined.num_rows != rows:
        raise RuntimeError(
            f"{NAME}: {rows} rows became {joined.num_rows} when features were joined"
        )
    for view in views:
        late = connection.execute(
            f"SELECT count(*) FROM joined WHERE {view.name}__{FEATURE_TIME} > shown_at"
        ).fetchall()[0][0]
        if late:
            raise RuntimeError(f"{NAME}: {late} rows have features of {view.name} from the future")
