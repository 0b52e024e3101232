"""A generation: what online readers see, as one immutable directory under ``generations/``.

It is a Feast repository of its own with four views, the nearest-item index, and
``generation.json``, which says what it was made of. Its Feast project bears its id, so that a
shared registry or online store keeps generations as far apart as the files do.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from penchant.errors import DataError
from penchant.serving.feast import (
    Array,
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    Float32,
    String,
    ValueType,
)
from penchant.serving.feature_repository import open_store, repository_config
from penchant.settings import Settings

FORMAT = 1  # part of a generation's id: raise it when what publish writes changes
GENERATION_ID = re.compile(r"g-[0-9a-f]{12}")
DESCRIPTION = "generation.json"
PUBLISHED_AT = "published_as_of"  # timestamp column of every view: the snapshot's as_of
PRIOR_SCOPE = "all"  # the one entity key of popularity_prior


@dataclass(frozen=True)
class View:
    """A Feast view of a generation: one row for each ``key``, and the columns it serves."""

    name: str
    entity: str
    key: str
    columns: tuple[tuple[str, Any], ...]

    @property
    def refs(self) -> list[str]:
        """The Feast references of all columns, such as ``ranked_lists:scores``."""
        return [f"{self.name}:{column}" for column, _ in self.columns]


_VECTOR = (("vector", Array(Float32)), ("run_id", String))
_LIST = (("item_ids", Array(String)), ("scores", Array(Float32)), ("run_id", String))

USER_VECTORS = View("user_vectors", "user", "user_id", _VECTOR)
ITEM_VECTORS = View("item_vectors", "item", "item_id", _VECTOR)
RANKED_LISTS = View("ranked_lists", "user", "user_id", _LIST)
POPULARITY_PRIOR = View("popularity_prior", "scope", "scope", _LIST)


@dataclass(frozen=True)
class Generation:
    """A published generation, found on disk; ``description`` is its ``generation.json``."""

    id: str
    path: Path
    description: dict[str, Any]

    @classmethod
    def open(cls, settings: Settings, generation_id: str) -> "Generation":
        """Raises DataError when no whole generation of that id is on disk."""
        path = settings.generations / generation_id
        try:
            description = json.loads((path / DESCRIPTION).read_text())
        except FileNotFoundError:
            raise DataError(
                f"generation {generation_id} is not in {settings.generations}",
                "run `penchant publish` to publish it again",
            ) from None
        return cls(generation_id, path, description)

    @property
    def snapshot_id(self) -> str:
        return self.description["snapshot_id"]

    @property
    def has_vectors(self) -> bool:
        """False where popularity serves: then there are no vector views and no index."""
        return self.description["retriever"] is not None

    def store(self, settings: Settings) -> FeatureStore:
        return open_store(settings, self.id, self.path)


def generation_id(snapshot_id: str, choice_id: str) -> str:
    """``g-`` and 12 hex digits: the same choice on the same snapshot is the same generation."""
    content = json.dumps([snapshot_id, choice_id, FORMAT])
    return f"g-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def on_disk(settings: Settings) -> list[Generation]:
    """All whole generations, newest first."""
    found = [
        Generation.open(settings, path.parent.name)
        for path in settings.generations.glob(f"g-*/{DESCRIPTION}")
        if GENERATION_ID.fullmatch(path.parent.name)
    ]
    return sorted(found, key=lambda each: (each.description["created_at"], each.id), reverse=True)


def create_store(
    settings: Settings, staging: Path, final: Path, views: tuple[View, ...]
) -> FeatureStore:
    """Lay an empty, writable Feast repository in ``staging``, which is to be renamed ``final``.

    What it writes down names ``final``: the views' offline source is ``<final>/<view>.parquet``.
    """
    config = repository_config(settings, final.name, final)
    (staging / "feature_store.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    store = open_store(settings, final.name, staging, read_only=False)
    entities = {
        view.entity: Entity(name=view.entity, join_keys=[view.key], value_type=ValueType.STRING)
        for view in views
    }
    declared = [_feast_view(view, entities[view.entity], final) for view in views]
    store.apply([*entities.values(), *declared])
    return store


def _feast_view(view: View, entity: Entity, final: Path) -> FeatureView:
    source = FileSource(
        name=view.name, path=str(final / f"{view.name}.parquet"), timestamp_field=PUBLISHED_AT
    )
    fields = [Field(name=name, dtype=dtype) for name, dtype in ((view.key, String), *view.columns)]
    return FeatureView(name=view.name, entities=[entity], schema=fields, source=source, online=True)
