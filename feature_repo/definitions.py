"""The Feast definitions of a snapshot."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feature_repo.entities import ENTITIES
from feature_repo.services import feature_services
from feature_repo.views import feature_marts, feature_view
from penchant.artifacts import Snapshot
from penchant.feast_sdk import Entity, FeatureService, FeatureView
from penchant.manifest import read_marts


@dataclass(frozen=True)
class Definitions:
    """The content of one Feast registry."""

    entities: tuple[Entity, ...]
    views: tuple[FeatureView, ...]
    services: tuple[FeatureService, ...]

    def objects(self) -> list[Any]:
        """The argument of ``FeatureStore.apply``."""
        return [*self.entities, *self.views, *self.services]


def definitions(
    snapshot: Snapshot, parquet_folder: Path | None = None, time_as: str | None = None
) -> Definitions:
    """Entities, views and services of a snapshot, derived from its manifest without reading data.

    The views read the snapshot's marts, or their copies in ``parquet_folder``: by absolute paths,
    since Feast's DuckDB store resolves others against the working directory. For ``time_as`` see
    ``feature_view``. Raises DataError when a mart's description can't be a feature view.
    """
    folder = (parquet_folder or snapshot.mart("any").parent).resolve()
    marts = feature_marts(read_marts(snapshot.manifest))
    views = tuple(feature_view(mart, folder / f"{mart.name}.parquet", time_as) for mart in marts)
    used = {name for view in views for name in view.entities}
    return Definitions(
        entities=tuple(entity for name, entity in ENTITIES.items() if name in used),
        views=views,
        services=tuple(feature_services(marts, views)),
    )
