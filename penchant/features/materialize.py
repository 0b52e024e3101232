"""Stage ``materialize``: a snapshot's features, online through Feast.

A new Feast repository is made aside, checked against the Parquet it came from, and only then
pointed at. What readers read is never written: no read meets a view that is being filled, an entity
that has vanished is not there any more, and an old value can't overwrite a newer one.
"""

import io
import json
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import structlog
import yaml

from feature_repo.definitions import definitions
from penchant.artifacts import Snapshot
from penchant.feast_sdk import FeatureStore, FeatureView, SqlRegistry
from penchant.features.checked_snapshot import checked_snapshot
from penchant.features.online_features import online_features
from penchant.features.online_store import WideSqliteOnlineStore
from penchant.features.repository import (
    open_store,
    refuse_other_store,
    repository_config,
    repository_path,
)
from penchant.features.training_sets import training_sets
from penchant.features.verification import check_view
from penchant.settings import Settings
from penchant.storage import atomic_directory, write_json

__all__ = ["MaterializeReport", "materialize", "online_features", "training_sets"]

LIVE_LINK = "live"
"""A link beside the repositories, for Feast's own command line; our readers follow the pointer."""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


@dataclass(frozen=True)
class MaterializeReport:
    """What is online: for each view the number of entities."""

    snapshot_id: str
    status: Literal["materialized", "unchanged"]
    rows: dict[str, int]

    def summary(self) -> str:
        """One line for a person."""
        entities = sum(self.rows.values())
        return (
            f"features of {self.snapshot_id} are live ({self.status}): "
            f"{len(self.rows)} views, {entities:,} entities"
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def materialize(settings: Settings, snapshot_id: str) -> MaterializeReport:
    """Put a checked snapshot's features online and make them the live ones.

    A snapshot that was materialized before is not written again. Raises UsageError when the
    snapshot has not passed its checks, DataError when a mart can't be a feature view, RuntimeError
    when what is online does not equal the Parquet.
    """
    snapshot = checked_snapshot(settings, snapshot_id)
    final = repository_path(settings, snapshot_id)
    status: Literal["materialized", "unchanged"] = "unchanged"
    if not final.is_dir():
        status = "materialized"
        with atomic_directory(final) as staging:
            rows = _fill(settings, snapshot, staging)
            config = repository_config(settings, snapshot_id, final)
            (staging / "feature_store.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
            write_json(staging / "features.json", {"snapshot_id": snapshot_id, "rows": rows})
    refuse_other_store(settings, final)
    settings.live_features.flip(snapshot_id)
    _link(settings.online / LIVE_LINK, snapshot_id)
    rows = json.loads((final / "features.json").read_text())["rows"]
    return MaterializeReport(snapshot_id, status, rows)


def served_from(view: FeatureView, as_of: datetime) -> datetime:
    """The oldest row of a view that is still true at ``as_of``: where its TTL ends.

    Feast minds the TTL in historical retrieval and not online. Not putting expired rows online
    makes a read give what historical retrieval gives at ``as_of``.
    """
    return as_of - view.ttl if view.ttl else BEGINNING


def _fill(settings: Settings, snapshot: Snapshot, directory: Path) -> dict[str, int]:
    """Make registry and online store in ``directory``; the number of entities of each view."""
    store = open_store(settings, snapshot.id, directory, read_only=False)
    defined = definitions(snapshot)
    as_of = _utc(snapshot.as_of)
    rows = {}
    with redirect_stdout(io.StringIO()):  # Feast prints; stdout is the command's answer
        store.apply(defined.objects())
        for view in (view for view in defined.views if view.online):
            start = served_from(view, as_of)
            store.materialize(start, as_of, feature_views=[view.name])
            rows[view.name] = check_view(store, snapshot.mart(view.name), view, start, as_of)
            log.info("materialized", view=view.name, entities=rows[view.name])
    _close(store)
    return rows


def _close(store: FeatureStore) -> None:
    """Let go of both files, with all that was written to them."""
    if isinstance(store.registry, SqlRegistry):
        store.registry.write_engine.dispose()
    online_store = store._get_provider().online_store
    if isinstance(online_store, WideSqliteOnlineStore):
        online_store.disconnect()


def _link(link: Path, target: str) -> None:
    """Point the link at its new target at once, never leaving none."""
    if link.is_symlink() and str(link.readlink()) == target:
        return
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


def _utc(naive: datetime) -> datetime:
    return naive.replace(tzinfo=UTC) if naive.tzinfo is None else naive.astimezone(UTC)
