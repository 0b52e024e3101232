"""The online store of the snapshot that a build kept rows of, as a start for the next one.

Rows that both snapshots have are in it already. Of a view whose rows never expire, the latest rows
since the first difference are then written; a view whose rows do expire has a new row of every
entity each day, and is written whole.
"""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feature_repo.views import source_of
from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.feast_sdk import FeatureStore, FeatureView
from penchant.features.online_store import LAYOUT, WideSqliteOnlineStore
from penchant.features.repository import ONLINE_STORE, repository_path
from penchant.settings import Settings


@dataclass(frozen=True)
class Earlier:
    """The repository of ``previous``, from which ``snapshot`` was built."""

    repository: Path
    previous: Snapshot
    snapshot: Snapshot

    @classmethod
    def of(cls, settings: Settings, snapshot: Snapshot) -> "Earlier | None":
        """None without such a repository in files of this version's layout."""
        before = snapshot.description.previous
        if before is None or not (settings.snapshots / before).is_dir():
            return None
        repository = repository_path(settings, before)
        written = repository / "features.json"
        if not written.is_file() or not (repository / ONLINE_STORE).is_file():
            return None
        if settings.feast_redis or json.loads(written.read_text()).get("layout") != LAYOUT:
            return None
        return cls(repository, Snapshot.open(settings, before), snapshot)

    def copy(self, directory: Path) -> None:
        shutil.copyfile(self.repository / ONLINE_STORE, directory / ONLINE_STORE)

    def unchanged_before(self, view: FeatureView) -> datetime | None:
        """The time before which the latest rows are online; None if all must be written.

        It is after the end of the data for a view without any difference.
        """
        now, before = (each.description.marts[view.name] for each in (self.snapshot, self.previous))
        if view.ttl:
            return None
        if now.content_hash == before.content_hash:
            return datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
        if now.kept is None or now.kept.by != source_of(view).timestamp_field:
            return None
        since = now.kept.since
        return None if self._lost_a_row(view, since) else since.replace(tzinfo=UTC)

    def _lost_a_row(self, view: FeatureView, since: datetime) -> bool:
        """Whether an entity had a row since then and has none: its latest is an earlier one."""
        keys = ", ".join(column.name for column in view.entity_columns)
        time = source_of(view).timestamp_field
        rows = f"SELECT {keys} FROM read_parquet(?) WHERE {time} >= ?"
        with connect(self.snapshot.path) as connection:
            lost = connection.execute(
                f"{rows} EXCEPT {rows} LIMIT 1",
                [
                    str(self.previous.mart(view.name)),
                    since,
                    str(self.snapshot.mart(view.name)),
                    since,
                ],
            ).fetchone()
        return lost is not None

    def clear(self, store: FeatureStore, view: FeatureView) -> None:
        """Remove the rows of a view that is written whole."""
        online_store = store._get_provider().online_store
        assert isinstance(online_store, WideSqliteOnlineStore)
        online_store.clear(store.config, view)
