"""The lists of a release against those of the release before."""

import pytest
from small_shop import USERS, Shop, snapshot_id

from penchant.artifacts.monitoring import ListsChange
from penchant.encryption.duckdb_connection import connect
from penchant.monitoring.lists import lists_change
from penchant.publishing.publish import publish
from penchant.quality.views import add_view


def change(shop: Shop) -> ListsChange | None:
    settings = shop.settings
    release_id = settings.live_release.current()
    assert release_id is not None
    with connect(settings.home) as connection:
        items = settings.snapshots / snapshot_id(1) / "marts" / "items.parquet"
        add_view(connection, "items", items)
        return lists_change(connection, settings, release_id)


def test_first_release_has_none_before(published: Shop) -> None:
    assert change(published) is None


def test_overlap_and_categories_of_two_releases(published: Shop) -> None:
    before = published.settings.live_release.current()
    publish(published.settings, snapshot_id(2))
    found = change(published)
    assert found is not None and found.before == before
    assert found.users == len(USERS)
    assert found.overlap == pytest.approx(10 / 120, abs=0.08)  # both lists are random
    assert found.category_index == pytest.approx(0, abs=0.01)  # all items are groceries
