"""Shops of unusual shapes, from their files to a release."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from penchant.building.build import build
from penchant.features.materialize import materialize
from penchant.features.training_sets import training_sets
from penchant.ingestion.ingest import ingest
from penchant.publishing.publish import publish
from penchant.quality.check import check
from penchant.settings import Settings
from training.commands.select_models import select_models
from training.commands.train import train

START = datetime(2024, 1, 1, 12)
FAMILIES = ("popularity", "ease")
Row = tuple[str, str, str, int]


def one_user_views_one_item() -> list[Row]:
    """For nine days."""
    return [("u", "i", "view", day) for day in range(9)]


def nobody_buys_twice() -> list[Row]:
    return [(f"u{day}", f"i{day % 7}", "purchase", day) for day in range(60)]


def ratings_of_many_categories() -> list[Row]:
    return [
        (f"u{user}", f"i{(user * 97 + day) % 2000}", "rating", day)
        for user in range(20)
        for day in range(0, 70, 2)
    ]


@pytest.mark.long
@pytest.mark.parametrize(
    ("rows", "with_catalogue"),
    [
        (one_user_views_one_item, False),
        (nobody_buys_twice, False),
        (ratings_of_many_categories, True),
    ],
)
def test_shop_of_an_unusual_shape_gets_a_release(
    settings: Settings, tmp_path: Path, rows: Callable[[], list[Row]], with_catalogue: bool
) -> None:
    columns = ("event_id", "user_id", "session_id", "item_id", "event_type", "event_at")
    events = [
        f"{number},{user},s{number},{item},{kind},{START + timedelta(days=day)}"
        for number, (user, item, kind, day) in enumerate(rows())
    ]
    (tmp_path / "e.csv").write_text("\n".join([",".join(columns), *events]))
    tables = {"events": {"path": "e.csv", "columns": {name: name for name in columns}}}
    if with_catalogue:
        items = [f"i{number},Thing {number},c{number}" for number in range(10_000)]
        (tmp_path / "i.csv").write_text("\n".join(["item_id,title,category_1", *items]))
        names = ("item_id", "title", "category_1")
        tables["items"] = {"path": "i.csv", "columns": {name: name for name in names}}
    (tmp_path / "m.yml").write_text(yaml.safe_dump({"tables": tables}))
    assert not ingest(settings, "files", tmp_path, tmp_path / "m.yml").quarantined
    snapshot_id = build(settings).snapshot_id
    check(settings, snapshot_id)
    materialize(settings, snapshot_id)
    training_sets(settings, snapshot_id)
    for family in FAMILIES:
        train(settings, snapshot_id, family)
    select_models(settings, snapshot_id, FAMILIES)
    assert publish(settings, snapshot_id).status == "published"
