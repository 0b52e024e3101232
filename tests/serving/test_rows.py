"""Rows of mapped files, found by key."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penchant.errors import DataError
from penchant.feast_sdk import FeatureStore
from penchant.features.repository import open_store
from penchant.publishing.publish import publish
from penchant.releases.item_attributes import ITEM_FACTS
from penchant.releases.release import RANKED_LISTS, Release
from penchant.releases.rollback import rollback
from penchant.releases.rows import Rows, writing
from penchant.serving.service import RecommendationService

ONE, TWO = "s-20180102-000000000001", "s-20180102-000000000002"
KEYS = ["z", "10", "9", "é", "", "Z", "10 ", "\U0001f375", "\uffee"]


@pytest.fixture
def table() -> pa.Table:
    lists = [[key, "x"] for key in KEYS]
    scores = pa.array([[at + 0.1, 0.0] for at in range(len(KEYS))], pa.list_(pa.float32()))
    return pa.table({"user_id": KEYS, "item_ids": lists, "scores": scores, "run_id": KEYS})


def test_finds_the_row_of_every_key(tmp_path: Path, table: pa.Table) -> None:
    ordered = table.sort_by("user_id")
    with writing(tmp_path, RANKED_LISTS, table.schema) as write:
        write(ordered.slice(0, 4))
        write(ordered.slice(4))
    rows = Rows.open(tmp_path, RANKED_LISTS)
    assert len(rows) == len(KEYS)
    for row in table.to_pylist():
        key = row.pop("user_id")
        assert rows.row(key) == row
        position = rows.position(key)
        assert position is not None and rows.at(position) == row
    for unknown in ("1", "zz", "\U0001f376", "\x00"):
        assert rows.row(unknown) is None


def test_mapped_rows_equal_those_of_feast(shop: Any) -> None:
    """All of them; publish compares a sample."""
    release = Release.open(shop.settings, publish(shop.settings, ONE).release_id)
    store: FeatureStore = open_store(shop.settings, release.attempt, release.path)
    for view in (RANKED_LISTS, release.item_vectors):
        rows = Rows.open(release.path, view)
        keys = rows.table[view.key].to_pylist()
        entities = [{view.key: key} for key in keys]
        online = store.get_online_features(features=view.refs, entity_rows=entities).to_dict()
        for at, key in enumerate(keys):
            assert rows.row(key) == {name: online[name][at] for name in view.columns}


def test_publish_rejects_attributes_that_differ_from_the_online_store(shop: Any) -> None:
    items = shop.settings.snapshots / ONE / "marts" / "items.parquet"
    columns = pq.read_table(items).to_pydict()
    columns["title"][0] = "ANOTHER"
    pq.write_table(pa.table(columns, schema=pq.read_schema(items)), items)
    with pytest.raises(DataError, match=r"'i000' is .*ANOTHER.*, in the online store"):
        publish(shop.settings, ONE)


def test_open_release_has_attributes_and_vectors_of_all_items(published: Any) -> None:

    def facts(opened: Any) -> tuple[Any, Any, Any]:
        (of_one,) = opened.facts_of(["i003"])
        return of_one, opened.facts.table.column_names, opened.vectors_ID

    fact, columns, vectors_ID = RecommendationService(published.settings).read(facts)
    assert (fact.title, fact.path) == ("TITLE i003 OF 1", ("GROCERY", "PANS"))
    assert (fact.brand, fact.price) == ("BRAND 3", 4.0)
    assert columns == [ITEM_FACTS.key, *ITEM_FACTS.columns]
    trained = pq.read_table(published.run(1) / "item_vectors.parquet")["vector"].to_pylist()
    assert vectors_ID.tolist() == trained


def test_rejects_unknown_items(published: Any) -> None:
    with pytest.raises(DataError, match="1 items have no title, such as 'i999'"):
        RecommendationService(published.settings).read(
            lambda opened: opened.facts_of(["i001", "i999"])
        )


def test_rollback_rejects_incomplete_release(published: Any) -> None:
    old = published.settings.live_release.current()
    live = publish(published.settings, TWO).release_id
    (published.settings.releases / old / "item_facts.arrow").unlink()
    with pytest.raises(DataError, match="is incomplete"):
        rollback(published.settings)
    assert published.settings.live_release.current() == live
