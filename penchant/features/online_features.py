"""Read live features from Python: one call, or an object that follows the pointer."""

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from penchant.errors import UsageError
from penchant.feast_sdk import FeatureStore
from penchant.features.repository import open_features
from penchant.features.request import columnar, require_keys, resolve
from penchant.pseudonyms import Pseudonyms
from penchant.settings import Settings


@dataclass(frozen=True)
class OpenFeatures:
    """The features of one snapshot, open for reading. Thread-safe."""

    snapshot_id: str
    store: FeatureStore


class LiveFeatures:
    """Follows the pointer to the live features; an ``OpenFeatures`` already returned stays open."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opening = threading.Lock()
        self._open: OpenFeatures | None = None

    def current(self) -> OpenFeatures:
        """The live features, reopened after a flip. Raises UsageError when there are none."""
        live = self._settings.live_features.current()
        if live is None:
            raise UsageError("no features are online", "run `penchant materialize`")
        opened = self._open
        if opened is None or opened.snapshot_id != live:
            with self._opening:
                opened = self._open
                if opened is None or opened.snapshot_id != live:
                    opened = OpenFeatures(live, open_features(self._settings, live))
                    self._open = opened
        return opened


@lru_cache(maxsize=8)
def live_features(settings: Settings) -> LiveFeatures:
    """One object per settings, so that calls of ``online_features`` share an open store."""
    return LiveFeatures(settings)


def online_features(
    settings: Settings,
    features: str | list[str],
    entity_rows: list[dict[str, str]],
    full_feature_names: bool = False,
) -> list[dict[str, Any]]:
    """Live features of entities, in the order of ``entity_rows``; keys first, then names sorted.

    ``features`` is the name of a feature service (``"portrait"``) or a list of references
    (``["user_statistics:spend_28d"]``). All rows have the same keys (``{"user_id": "1104"}``), with
    the source's user ids or pseudonyms. The features of an unknown entity are None. One call reads
    one snapshot. Raises UsageError for an unknown service, view, feature or key.
    """
    opened = live_features(settings).current()
    requested = resolve(opened.store, features)
    if not entity_rows:
        return []
    require_keys(opened.store, requested, columnar(entity_rows))
    of = Pseudonyms(settings).of
    stored = [
        {**row, **({"user_id": of(row["user_id"])} if "user_id" in row else {})}
        for row in entity_rows
    ]
    answer = opened.store.get_online_features(
        features=requested, entity_rows=stored, full_feature_names=full_feature_names
    ).to_dict()
    names = sorted(answer, key=lambda name: (name not in entity_rows[0], name))
    return [
        {name: answer[name][position] for name in names} | row
        for position, row in enumerate(entity_rows)
    ]
