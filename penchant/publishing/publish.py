"""Publish the selected models as one release, verified before one pointer flip makes it live."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import structlog
from structlog.contextvars import bind_contextvars

from penchant.artifacts import ReleaseManifest, Snapshot
from penchant.artifacts.release import RankingModelReference, Segment, VectorForm
from penchant.encryption import parquet as pq
from penchant.encryption.encrypted_file import open_for_reading, protect_files
from penchant.encryption.home_files import RELEASED
from penchant.errors import DataError, PenchantError
from penchant.feast_sdk import FeatureStore
from penchant.features.repository import open_features
from penchant.identities import write_identities
from penchant.publishing import encoder as encoded
from penchant.publishing import ranking_model as ranking
from penchant.publishing.feast_store import count_rows, create_store, write_rows
from penchant.publishing.removal import SWEPT_PREFIX, sweep
from penchant.publishing.selected_runs import SelectedRuns
from penchant.publishing.shared_stores import stores_of
from penchant.releases.context_features import write_policy_facts
from penchant.releases.fencing import Fencing
from penchant.releases.hnsw_index import METRIC
from penchant.releases.index import build_index
from penchant.releases.item_attributes import verify_facts, write_facts
from penchant.releases.opened import OpenRelease
from penchant.releases.release import (
    MANIFEST,
    POPULARITY_PRIOR,
    USER_SEGMENTS,
    Release,
    View,
    hashes_of,
    on_disk,
    release_id,
)
from penchant.releases.rows import Rows, writing
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX, held_alone, sync, sync_files
from penchant.vectors import frame_of, matrix

KEPT = 3  # the live release and two to go back to
READ_BACK = 200  # rows of each view that are read back and compared

log = structlog.get_logger()


@dataclass(frozen=True)
class PublishReport:
    """``status`` is ``published`` or ``unchanged``; ``recall_at_10`` is None without an index."""

    release_id: str
    snapshot_id: str
    status: str
    counts: dict[str, int]
    recall_at_10: float | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        counts = ", ".join(f"{rows} {view}" for view, rows in sorted(self.counts.items()))
        recall = "" if self.recall_at_10 is None else f", recall@10 {self.recall_at_10:.3f}"
        return f"release {self.release_id} {self.status}: {counts}{recall}"


def publish(settings: Settings, snapshot_id: str) -> PublishReport:
    """Make the selected runs of a snapshot live; the same selection twice changes nothing.

    Raises UsageError where an earlier stage has not run, DataError where a run must not be served
    or was not written correctly: then the live release is unchanged and nothing is left behind.
    """
    snapshot = Snapshot.open(settings, snapshot_id)
    selected = SelectedRuns.of(settings, snapshot)
    identity = release_id(snapshot_id, selected.id, selected.kind, stores_of(settings))
    bind_contextvars(snapshot_id=snapshot_id, release_id=identity)
    fencing = Fencing.of(settings)
    with held_alone(settings.releases):
        fencing_token = fencing.draw()
    while (status := _flip(settings, identity, fencing_token)) is None:
        _build(settings, identity, selected, f"{identity}-{fencing_token}")
    manifest = Release.open(settings, identity).manifest
    return PublishReport(identity, snapshot_id, status, manifest.counts, manifest.recall_at_10)


def _flip(settings: Settings, identity: str, fencing_token: int) -> str | None:
    """Make the release live and return the status; None where it must be built first.

    Raises Overtaken, unless the same release is live already, and the error of opening it where the
    API server could not.
    """
    pointer, fencing = settings.live_release, Fencing.of(settings)
    with held_alone(settings.releases):
        live = pointer.current() == identity
        if not live:
            fencing.reject_overtaken(fencing_token, identity)
        if not _is_complete(settings, identity):
            return None
        fencing.reject_before(fencing_token, identity)
        if not live:
            OpenRelease(settings, identity).open_all()  # as the API server will
        pointer.flip(identity)
        _prune(settings, fencing_token)
    sweep(settings)
    return "unchanged" if live else "published"


def _is_complete(settings: Settings, identity: str) -> bool:
    return (settings.releases / identity / MANIFEST).is_file()


def _build(settings: Settings, identity: str, selected: SelectedRuns, attempt: str) -> None:
    """Write and verify the release; it gets its final name when all checks have passed.

    No lock is held meanwhile. Publishers neither wait for nor disturb each other: everything that
    they write is named after the attempt, which includes its fencing token.
    """
    features = open_features(settings, selected.snapshot.id)
    ranking_model = ranking.record_of(selected.ranker, features)
    tables = selected.tables()
    final = settings.releases / identity
    staging = final.with_name(f"{STAGING_PREFIX}{attempt}")
    staging.mkdir()
    try:
        facts = _fill_facts(staging, features, selected.snapshot, tables[POPULARITY_PRIOR])
        reference = None
        if ranking_model:
            reference = ranking.write(
                staging,
                selected.ranker,
                ranking_model,
                selected.snapshot,
                features,
                facts.table["item_id"],
                tables.get(USER_SEGMENTS),
            )
        _fill(settings, attempt, staging, final, selected, tables, reference)
        sync_files(staging)
        with held_alone(settings.releases):
            if not _is_complete(settings, identity):  # else a run of the same selection was faster
                shutil.rmtree(final, ignore_errors=True)  # incomplete: without release.json
                staging.rename(final)
                sync(final.parent)
    except Exception:
        with held_alone(settings.releases):  # no other publisher is sweeping
            swept = not staging.exists()
        if not swept:
            raise
        # A later run removed the staging directory: `_flip` raises Overtaken.
    finally:
        _discard(settings, staging)


def _discard(settings: Settings, staging: Path) -> None:
    """Remove the directory of an attempt that failed or was not needed."""
    with held_alone(settings.releases):
        if not staging.exists():
            return
        staging.rename(staging.with_name(f"{SWEPT_PREFIX}{staging.name}"))
    try:
        sweep(settings)
    except PenchantError as error:
        log.warning(
            "the next publish removes this attempt", attempt=staging.name, cause=error.cause
        )


def _fill_facts(staging: Path, features: FeatureStore, snapshot: Snapshot, prior: pa.Table) -> Rows:
    """Write item attributes; verify those of the most popular items and a sample with Feast."""
    facts = write_facts(staging, snapshot)
    sample = facts.table["item_id"].take(_spread(np.arange(len(facts)), READ_BACK)).to_pylist()
    verify_facts(features, facts, [*prior["item_ids"][0].as_py()[:READ_BACK], *sample])
    return facts


def _fill(
    settings: Settings,
    attempt: str,
    staging: Path,
    final: Path,
    selected: SelectedRuns,
    tables: dict[View, pa.Table],
    ranking_model: RankingModelReference | None,
) -> None:
    lists = selected.lists()
    store = create_store(settings, attempt, staging, (*lists, *tables))
    indexing = None
    with ThreadPoolExecutor(1) as beside:  # the index is built outside of the GIL, on another core
        if selected.retriever:
            items = tables[selected.views[1]]
            indexing = beside.submit(build_index, settings, staging, attempt, items, selected.kind)
        in_parts = lists | {view: iter([table]) for view, table in tables.items()}
        counts = {
            view.name: _write_view(store, staging, view, parts) for view, parts in in_parts.items()
        }
        encoder = encoded.write(staging, selected)
        index = indexing.result() if indexing else None
    write_policy_facts(selected.snapshot, staging)
    write_identities(staging, selected.snapshot)
    protect_files(staging, RELEASED)
    sides = {view.name: tables[view] for view in selected.views if view in tables}
    vectors = {name: matrix(table) for name, table in sides.items()}
    manifest = ReleaseManifest(
        id=final.name,
        attempt=attempt,
        snapshot_id=selected.snapshot.id,
        selection_id=selected.id,
        retriever=selected.retriever.reference if selected.retriever else None,
        ranker=selected.ranker.reference,
        prior=selected.prior.reference,
        counts=counts,
        dimensions=vectors["item_vectors"].shape[1] if vectors else None,
        vectors=_vector_form(selected, sides),
        metric=METRIC if vectors else None,
        index=index.kind if index else None,
        recall_at_10=index.recall if index else None,
        segments=_segments(tables[USER_SEGMENTS]) if vectors else (),
        norms={name: _norms(each) for name, each in vectors.items()},
        encoder=encoder,
        ranking_model=ranking_model,
        last_feedback=selected.snapshot.description.last_feedback,
        content_hash=_content_hash(staging, counts),
        files=hashes_of(staging),
        created_at=datetime.now(UTC),
    )
    manifest.write(staging / MANIFEST)


def _segments(table: pa.Table) -> tuple[Segment, ...]:
    """The largest segment first."""
    members = Counter(table["segment"].to_pylist())
    interests = dict(
        zip(table["segment"].to_pylist(), table["segment_interests"].to_pylist(), strict=True)
    )
    return tuple(
        Segment(name=name, users=users, interests=interests[name])
        for name, users in members.most_common()
    )


def _vector_form(selected: SelectedRuns, sides: dict[str, pa.Table]) -> VectorForm | None:
    form = selected.form
    if form is None:
        return None
    frames = {name: frame_of(table) for name, table in sides.items()}
    kept = {name: frame.as_dict() for name, frame in frames.items() if frame}
    return VectorForm(kind=form.kind, lost=form.lost, why=form.why, frames=kept)


def _norms(vectors: np.ndarray) -> dict[str, float]:
    norms = np.linalg.norm(vectors, axis=1)
    return {"min": float(norms.min()), "max": float(norms.max())}


def _content_hash(staging: Path, views: Iterable[str]) -> str:
    """SHA-256 over the Parquet of all views: equal for equal rows."""
    digest = hashlib.sha256()
    for name in sorted(views):
        with open_for_reading(staging / f"{name}.parquet") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _write_view(store: FeatureStore, staging: Path, view: View, parts: Iterator[pa.Table]) -> int:
    """Write the rows of a view to Parquet, the mapped file and the online store, verify that they
    were, and return their number. ``parts``: sorted by key; at least one."""
    part = next(parts)
    keys: list[str] = []
    samples = []
    run_id = part["run_id"][0].as_py() if part.num_rows else ""
    with (
        pq.ParquetWriter(staging / f"{view.name}.parquet", part.schema) as parquet,
        writing(staging, view, part.schema) as write,
    ):
        for each in chain([part], parts):
            parquet.write_table(each)
            write(each)
            write_rows(store, view, each)
            keys += each[view.key].to_pylist()
            samples.append(_sample(each))
    _verify_count(store, view, keys, run_id)
    _verify_read_back(store, staging, view, _sample(pa.concat_tables(samples)))
    return len(keys)


def _sample(table: pa.Table) -> pa.Table:
    return table.take(_spread(np.arange(table.num_rows), READ_BACK))


def _verify_count(store: FeatureStore, view: View, keys: Sequence[str], run_id: str) -> None:
    """Every key reads back, with the right run id."""
    found = count_rows(store, view, keys, run_id)
    if found != len(keys):
        raise _not_as_written(f"{found} rows of {view.name} are online, not {len(keys)}")


def _verify_read_back(store: FeatureStore, staging: Path, view: View, sample: pa.Table) -> None:
    """A sample reads back bit for bit, through Feast and from the mapped rows."""
    keys = sample[view.key].to_pylist()
    online = store.get_online_features(
        features=view.refs, entity_rows=[{view.key: key} for key in keys]
    ).to_dict()
    rows = Rows.open(staging, view)
    mapped = [rows.row(key) or {} for key in keys]
    for column in view.columns:
        wanted = sample[column].to_pylist()
        if online[column] != wanted or [row.get(column) for row in mapped] != wanted:
            raise _not_as_written(
                f"{column} of {view.name} differs from the run when it is read back"
            )


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    """At most ``most`` rows, evenly spread over all of them."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]


def _not_as_written(cause: str) -> DataError:
    return DataError(
        f"{cause}; nothing was published",
        "check the disk and the version of Feast, then publish again",
    )


def _prune(settings: Settings, fencing_token: int) -> None:
    """Rename what is to be removed: staging directories of earlier attempts, and old releases. No
    service opens and no publisher writes a directory that is being removed."""
    pointer, folder = settings.live_release, settings.releases
    newest = [each.id for each in on_disk(settings)]
    named = [each for each in (pointer.current(), pointer.previous()) if each in newest]
    kept = dict.fromkeys([*named, *newest])
    left = [path for path in folder.glob(f"{STAGING_PREFIX}r-*") if _token_of(path) < fencing_token]
    for path in (*left, *(folder / each for each in list(kept)[KEPT:])):
        path.rename(folder / f"{SWEPT_PREFIX}{path.name}")


def _token_of(staging: Path) -> int:
    """0 for a name without a token."""
    fencing_token = staging.name.rpartition("-")[2]
    return int(fencing_token) if fencing_token.isdecimal() and len(fencing_token) < 12 else 0
