"""The ranker's ranking model in a release: checked, with the lists of its candidate sources."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts import RankingModelRecord, Snapshot
from penchant.artifacts.ranking_model import CandidateSource
from penchant.artifacts.release import RankingModelReference
from penchant.encoders.ids import Ids
from penchant.encryption import parquet as pq
from penchant.errors import DataError, UsageError
from penchant.feast_sdk import FeatureService, FeatureStore
from penchant.features.request import resolve
from penchant.publishing.candidate_lists import candidate_lists
from penchant.publishing.item_values import item_values
from penchant.publishing.selected_runs import Run
from penchant.releases.model_file import ranking_model_in
from penchant.releases.ranking_files import ITEM_VALUES, OWN_SOURCES, SourceLists
from penchant.releases.release import RANKING

LISTS = pa.schema(
    [
        ("key", pa.string()),
        ("item_ids", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float64())),
    ]
)


def record_of(ranker: Run, features: FeatureStore) -> RankingModelRecord | None:
    """The ranker's ranking model; None for a ranker without one.

    Raises DataError where its file is corrupt, or where it was trained on other features than the
    feature service has.
    """
    record = ranking_model_in(ranker.path)
    if record is not None:
        record.require_service(service_features(features, record.feature_service))
    return record


def service_features(features: FeatureStore, service: str) -> list[str]:
    """Full names of all features of a service, ``view__feature``; none without the service."""
    try:
        found = resolve(features, service)
    except UsageError:
        return []
    assert isinstance(found, FeatureService)
    return [
        f"{projection.name}__{field.name}"
        for projection in found.feature_view_projections
        for field in projection.features
    ]


def write(
    staging: Path,
    ranker: Run,
    record: RankingModelRecord,
    snapshot: Snapshot,
    features: FeatureStore,
    item_ids: pa.ChunkedArray,
    segments: pa.Table | None,
) -> RankingModelReference:
    """Copy a ranking model into a release, number its lists and write the items' features.

    ``features``: of the snapshot. ``item_ids``: of the release, sorted. ``segments``: the release's
    user_segments."""
    folder = staging / RANKING
    folder.mkdir()
    shutil.copyfile(RankingModelRecord.path(ranker.path), RankingModelRecord.path(folder))
    shutil.copyfile(ranker.path / record.model.name, folder / record.model.name)
    for source in record.sources:
        _numbered(_lists_of(ranker, source), item_ids, source.name).write(folder / source.name)
    for name, table in candidate_lists(snapshot, segments).items():
        _numbered(table, item_ids, name).write(folder / name)
    values_I = item_values(features, record, item_ids, snapshot.as_of)
    np.save(folder / ITEM_VALUES, values_I, allow_pickle=False)
    return RankingModelReference(run_id=ranker.id, as_of=snapshot.as_of)


def _lists_of(ranker: Run, source: CandidateSource) -> pa.Table:
    """A source's rows of the run, sorted by key, cut to the source's length."""
    path = RankingModelRecord.lists_path(ranker.path)
    if source.name in OWN_SOURCES:
        raise DataError(
            f"{path}: the release has a source {source.name} of its own",
            f"rename the source in the family {ranker.family}",
        )
    try:
        table = pq.read_table(
            path, columns=["key", "item_ids", "scores"], filters=pc.field("source") == source.name
        )
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", f"train {ranker.family} again") from None
    table = table.cast(LISTS)
    if len(pc.unique(table["key"])) != table.num_rows:
        raise _wrong(path, source, "has two lists of one key")
    lengths = pc.list_value_length(table["item_ids"])
    if not lengths.equals(pc.list_value_length(table["scores"])):
        raise _wrong(path, source, "has different numbers of items and scores")
    if table.num_rows and pc.max(lengths).as_py() > source.length:
        raise _wrong(path, source, f"has a list of more than {source.length} items")
    if not np.isfinite(pc.list_flatten(table["scores"]).to_numpy()).all():
        raise _wrong(path, source, "has scores that are NaN or infinite")
    return table.sort_by("key")


def _numbered(table: pa.Table, item_ids: pa.ChunkedArray, source: str) -> SourceLists:
    """The lists with the items' numbers. Raises DataError for an item that the release lacks."""
    flat = pc.list_flatten(table["item_ids"])
    places = pc.index_in(flat, value_set=item_ids.combine_chunks())
    if places.null_count:
        unknown = flat.filter(pc.is_null(places))[0].as_py()
        raise DataError(
            f"the candidate source {source} names item {unknown!r}, which the snapshot doesn't "
            "have; nothing was published",
            "train the ranker's family on this snapshot again",
        )
    lengths_N = pc.list_value_length(table["item_ids"]).to_numpy()
    keys = [key.encode() for key in table["key"].to_pylist()]
    return SourceLists(
        Ids(np.array(keys, dtype=np.bytes_)),
        np.concatenate([[0], np.cumsum(lengths_N)]).astype(np.int64),
        places.to_numpy().astype(np.int32),
        pc.list_flatten(table["scores"]).to_numpy().astype(np.float32),
    )


def _wrong(path: Path, source: CandidateSource, cause: str) -> DataError:
    return DataError(
        f"{path}: source {source.name} {cause}; nothing was published",
        "report a defect of the ranker's family",
    )
