"""What a release carries of each user's own past."""

from datetime import UTC, datetime
from typing import Any

import pytest

from penchant.artifacts import Snapshot
from penchant.errors import DataError
from penchant.features.repository import open_store
from penchant.publishing.histories import bought, recent_items
from penchant.publishing.publish import publish
from penchant.releases.release import BOUGHT_ITEMS, RECENT_ITEMS, Release

ONE = "s-20180102-000000000001"


def test_publishes_recent_events_oldest_first(shop: Any) -> None:
    live = Release.open(shop.settings, publish(shop.settings, ONE).release_id)
    assert live.has(RECENT_ITEMS) and live.has(BOUGHT_ITEMS)
    row = (
        open_store(shop.settings, live.attempt, live.path)
        .get_online_features(
            features=[*RECENT_ITEMS.refs], entity_rows=[{"user_id": "u3"}, {"user_id": "nobody"}]
        )
        .to_dict()
    )
    assert row["item_ids"] == [["i100", *(f"i{number:03}" for number in range(3, 13))], None]
    assert row["event_types"][0] == ["view"] + ["purchase"] * 10
    assert row["event_ats"][0][0] == int(datetime(2017, 11, 30, tzinfo=UTC).timestamp() * 1e6)
    assert row["quantities"][0] == [1] * 11


def test_publishes_the_newest_events_and_distinct_bought_items(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penchant.publishing.histories.MAX_RECENT_ITEMS", 2)
    snapshot = Snapshot.open(shop.settings, ONE)
    recent, ever = (
        next(parts)["item_ids"][0] for parts in (recent_items(snapshot), bought(snapshot))
    )
    assert recent.as_py() == ["i008", "i009"]
    assert ever.as_py() == [f"i{number:03}" for number in range(10)]


def test_publishing_rejects_a_snapshot_without_events(shop: Any) -> None:
    Snapshot.open(shop.settings, ONE).mart("events").unlink()
    with pytest.raises(DataError, match="no mart `events`"):
        publish(shop.settings, ONE)
