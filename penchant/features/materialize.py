"""Stage ``materialize``: write a snapshot's features to the online store through Feast.

Each snapshot gets a new Feast repository. It is compared with the Parquet files and then made live
by a pointer. A live repository is never written: reads never see a view that is being filled,
entities that are gone are not served, and an old value can't overwrite a newer one.
"""

import io
import json
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from feature_repo.definitions import definitions
from penchant.artifacts import Snapshot
from penchant.feast_sdk import FeatureStore, FeatureView, SqlRegistry
from penchant.features.earlier import Earlier
from penchant.features.online_store import LAYOUT, WideSqliteOnlineStore
from penchant.features.repository import (
    open_store,
    repository_path,
    require_configured_store,
    write_for_feast,
)
from penchant.features.verification import verify_view
from penchant.settings import Settings
from penchant.storage import atomic_directory, write_json

LIVE_LINK = "live"
"""A symbolic link to the live repository, for Feast's command line; Penchant reads the pointer."""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


@dataclass(frozen=True)
class MaterializeReport:
    """Number of entities of each online view."""

    snapshot_id: str
    status: Literal["materialized", "unchanged"]
    rows: dict[str, int]

    def summary(self) -> str:
        """One line of output."""
        entities = sum(self.rows.values())
        return (
            f"features of {self.snapshot_id} are live ({self.status}): "
            f"{len(self.rows)} views, {entities:,} entities"
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def materialize(settings: Settings, snapshot_id: str) -> MaterializeReport:
    """Write a checked snapshot's features to the online store and make them live.

    A snapshot that was materialized before is not written again. Raises UsageError when the
    snapshot has not passed its checks, DataError when a mart can't be a feature view, RuntimeError
    when the online store differs from the Parquet files.
    """
    snapshot = Snapshot.checked(settings, snapshot_id)
    final = repository_path(settings, snapshot_id)
    status: Literal["materialized", "unchanged"] = "unchanged"
    if not final.is_dir():
        status = "materialized"
        with atomic_directory(final) as staging:
            rows = _fill(settings, snapshot, staging)
            features = {"snapshot_id": snapshot_id, "rows": rows, "layout": LAYOUT}
            write_json(staging / "features.json", features)
    require_configured_store(settings, final)
    settings.live_features.flip(snapshot_id)
    _link(settings.online / LIVE_LINK, snapshot_id)
    rows = json.loads((final / "features.json").read_text())["rows"]
    return MaterializeReport(snapshot_id, status, rows)


def served_from(view: FeatureView, as_of: datetime) -> datetime:
    """The earliest row time of a view that has not expired at ``as_of``.

    Feast applies the TTL in historical retrieval only. Expired rows are not written, so that online
    reads equal historical retrieval at ``as_of``.
    """
    return as_of - view.ttl if view.ttl else BEGINNING


def _fill(settings: Settings, snapshot: Snapshot, directory: Path) -> dict[str, int]:
    """Create registry and online store in ``directory``; return each view's number of entities.

    The online store starts as a copy of the one before, where the snapshot was built from that.
    """
    earlier = Earlier.of(settings, snapshot)
    if earlier:
        earlier.copy(directory)
    store = open_store(settings, snapshot.id, directory, read_only=False)
    defined = definitions(snapshot)
    as_of = _utc(snapshot.as_of)
    rows = {}
    with redirect_stdout(io.StringIO()):  # Feast prints; stdout is for the command's result
        store.apply(defined.objects())
        for view in (view for view in defined.views if view.online):
            start = served_from(view, as_of)
            since = earlier.unchanged_before(view) if earlier else None
            if earlier and since is None:
                earlier.clear(store, view)
            if since is None or since <= as_of:
                store.materialize(since or start, as_of, feature_views=[view.name])
            rows[view.name] = verify_view(
                store, snapshot.mart(view.name), view, since or start, as_of, since is not None
            )
            log.info("materialized", view=view.name, entities=rows[view.name], since=since)
    write_for_feast(settings, snapshot.id, directory, store)
    _close(store)
    return rows


def _close(store: FeatureStore) -> None:
    """Close both files."""
    if isinstance(store.registry, SqlRegistry):
        store.registry.write_engine.dispose()
    online_store = store._get_provider().online_store
    if isinstance(online_store, WideSqliteOnlineStore):
        online_store.disconnect()


def _link(link: Path, target: str) -> None:
    """Replace the link atomically."""
    if link.is_symlink() and str(link.readlink()) == target:
        return
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


def _utc(naive: datetime) -> datetime:
    return naive.replace(tzinfo=UTC) if naive.tzinfo is None else naive.astimezone(UTC)
