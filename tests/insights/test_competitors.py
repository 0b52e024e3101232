"""A rival that sells what we sell at nine tenths of the price, and bikes, which we lack."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from penchant.api.app import create_app
from penchant.artifacts import CheckResults, Snapshot, SnapshotDescription
from penchant.artifacts.competitors import CompetitorsRecord
from penchant.building.build import build
from penchant.errors import NothingToDo, UsageError
from penchant.ingestion.ingest import ingest
from penchant.insights.competitors.matching import Listing, match, nearest
from penchant.insights.competitors.prices import price_rows
from penchant.insights.competitors.stage import compare_competitors
from penchant.settings import Settings

SNAPSHOT, AS_OF = "s-20240401-0123456789ab", datetime(2024, 4, 1)
KINDS = ("Desk Lamp", "Espresso Beans", "Hand Cream", "Novel", "Shampoo")
COLOURS = ("red", "green", "white", "black")
MAPPING = """
kind: competitor
source: rival
tables:
  items: {path: theirs.csv, columns: {item_id: id, title: name, price: price}}
  reviews:
    path: reviews.csv
    columns: {review_id: id, item_id: item, rating: stars, text: text, reviewed_at: at}
"""


def write_shop(settings: Settings, theirs: list[dict[str, Any]]) -> None:
    """A live snapshot in which every user likes lamps and beans, and nothing else."""
    items = [
        {
            "item_id": f"{kind} {colour}",
            "title": f"Alder {colour} {kind}",
            "brand": "Alder",
            "category_1": kind.split()[-1],
            "price": 10.0,
        }
        for kind in KINDS
        for colour in COLOURS
    ]
    interests = ["Lamp", "Beans"]
    tables = {
        "items": items,
        "competitor_items": theirs,
        "competitor_reviews": [review("rival", number, False) for number in range(60)],
        "reviews": [review("us", number, True) for number in range(60)],
        "events": [
            {
                "item_id": items[0]["item_id"],
                "event_type": "purchase",
                "quantity": 50,
                "event_at": AS_OF - timedelta(days=9),
            }
        ],
        "user_portrait": [
            {
                "user_id": "u1",
                "feature_at": AS_OF,
                "interests": interests,
                "interest_weights": [0.8, 0.2],
            }
        ],
    }
    folder = settings.snapshots / SNAPSHOT
    (folder / "marts").mkdir(parents=True)
    for name, rows in tables.items():
        if rows:
            pq.write_table(pa.Table.from_pylist(rows), folder / "marts" / f"{name}.parquet")
    SnapshotDescription(id=SNAPSHOT, as_of=AS_OF).write(folder / "snapshot.json")
    CheckResults(snapshot_id=SNAPSHOT, passed=True).write(folder / "checks.json")
    settings.live_snapshot.flip(SNAPSHOT)


def review(shop: str, number: int, good: bool) -> dict[str, Any]:
    """Ours praise the delivery, theirs blame it; both praise the colour."""
    delivery = "I love the delivery." if good else "The delivery is terrible."
    return {
        "competitor": shop,
        "review_id": f"{shop}:{number}",
        "user_id": f"u{number}",
        "item_id": "Novel red",
        "rating": 5.0 if good or number % 2 else 1.0,
        "text": f"{delivery if number % 2 == 0 else 'I love the colour.'}",
        "reviewed_at": AS_OF - timedelta(days=1 + number),
    }


def rivals(share: float = 0.9) -> list[dict[str, Any]]:
    """Our items in another order of words, and bikes and lamps that we lack."""
    same = [
        {
            "competitor": "rival",
            "item_id": f"rival:{number}",
            "title": f"{kind}, {colour} (Alder)",
            "brand": "ALDER",
            "category_1": "All",
            "price": 10.0 * share,
        }
        for number, (kind, colour) in enumerate((k, c) for k in KINDS for c in COLOURS)
    ]
    other = [("Mountain Bike 27 inch", "Zonk"), ("Floor Lamp with dimmer oak", "Zonk")]
    return same + [
        {
            "competitor": "rival",
            "item_id": f"rival:9{number}",
            "title": title,
            "brand": brand,
            "category_1": "All",
            "price": 99.0,
        }
        for number, (title, brand) in enumerate(other)
    ]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """For tests that only read."""
    home = tmp_path_factory.mktemp("competitors") / "home"
    settings = Settings(_env_file=None, home=home, threads=1)
    write_shop(settings, rivals())
    compare_competitors(settings, SNAPSHOT)
    return settings


def test_same_items_are_matched_and_priced(compared: Settings) -> None:
    (summary,) = CompetitorsRecord.read(CompetitorsRecord.path(compared, SNAPSHOT)).competitors
    assert (summary.items, summary.matched, summary.gaps) == (22, 20, 2)
    assert summary.price_index == pytest.approx({"mean": 0.9, "low": 0.9, "high": 0.9})
    assert summary.cheaper == 1.0
    assert compare_competitors(compared, SNAPSHOT).repeated


def test_route_and_page_show_the_comparison(compared: Settings) -> None:
    client = TestClient(create_app(compared))
    found = client.get("/v1/competitors").json()
    assert found["known"] == ["rival"]
    assert {row["category"] for row in found["prices"]} >= {None, "Lamp"}
    assert all(row["their_title"].startswith(row["item_id"].split()[0]) for row in found["matches"])
    first, second = found["gaps"]
    assert first["title"].startswith("Floor Lamp") and first["category"] == "Lamp"
    assert first["interest"] == pytest.approx(0.8) and second["score"] < first["score"]
    aspects = {row["aspect"]: row for row in found["aspects"]}
    assert aspects["delivery"]["high"] < 0 < aspects["delivery"]["ours"]
    assert abs(aspects["colour"]["difference"]) < 0.1
    unknown = client.get("/v1/competitors", params={"competitor": "nobody"}).json()
    assert "competitor 'nobody' is not in snapshot" in unknown["detail"]
    page = client.get("/console/competitors").text
    assert "Floor Lamp with dimmer oak" in page and "<svg" in page


def test_competitor_without_matches_has_gaps_and_no_index(settings: Settings) -> None:
    strange = [{**row, "title": f"zzz{n}", "brand": None} for n, row in enumerate(rivals())]
    write_shop(settings, strange)
    (summary,) = compare_competitors(settings, SNAPSHOT).record.competitors
    assert (summary.matched, summary.price_index, summary.gaps) == (0, None, 22)
    shown = TestClient(create_app(settings)).get("/v1/competitors").json()
    assert shown["prices"] == shown["matches"] == [] and len(shown["gaps"]) == 20


def test_no_catalogue_of_a_competitor_is_nothing_to_do(settings: Settings) -> None:
    write_shop(settings, [])
    with pytest.raises(NothingToDo, match="no competitor's catalogue"):
        compare_competitors(settings, SNAPSHOT)


def test_an_item_of_ours_is_matched_once_and_brands_decide() -> None:
    ours = [Listing("a", "Blue mug", "Elm", None, 1.0), Listing("b", "Blue mug", "Fir", None, 1.0)]
    theirs = [
        Listing("x", "Mug blue", "Fir", None, 1.0),
        Listing("y", "Mug blue", "Fir", None, 1.0),
    ]
    rows, confidence = match(nearest(ours, theirs))
    assert rows.tolist() == [1, 0] and confidence[0] == 1.0 and confidence[1] < 0.9
    assert match(nearest([], theirs))[0].tolist() == [-1, -1]


def test_prices_of_other_packs_do_not_count() -> None:
    def item(price: float | None) -> Listing:
        return Listing("a", "Mug", None, "Home", price)

    pairs = [(item(2.0), item(1.0)), (item(30.0), item(1.0)), (item(None), item(1.0))]
    whole, home = price_rows("rival", pairs, {"a": 4.0})
    assert (whole["items"], whole["mean"], home["category"]) == (1, 2.0, "Home")
    assert price_rows("rival", [], {}) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("kind: competitor", "kind: friend"), "kind is 'friend'"),
        (("source: rival\n", ""), "source is missing"),
        (("  reviews:", "  events:"), "tables.events"),
    ],
)
def test_wrong_mappings_of_competitors_are_named(
    settings: Settings, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    (tmp_path / "m.yml").write_text(MAPPING.replace(*change))
    with pytest.raises(UsageError, match=message):
        ingest(settings, "files", mapping=tmp_path / "m.yml")


@pytest.mark.long
def test_catalogue_of_a_competitor_and_vectors_become_marts_of_their_own(
    settings: Settings, tmp_path: Path
) -> None:
    for name, text in (
        ("theirs.csv", "id,name,price\n1,Mug,2.5\n2,Bowl,3\n"),
        (
            "reviews.csv",
            "id,item,stars,text,at\na,1,5,Good,2024-01-05 10:00:00\n"
            "b,9,1,Bad,2024-01-05 10:00:00\n",
        ),
        ("m.yml", MAPPING),
        ("ours.csv", "id,name,price\n1,Cup,2\n"),
        ("sales.csv", "id,user,item,at\n1,u,1,2024-01-06 10:00:00\n"),
        ("vectors.csv", 'item,vector\n1,"[0.5, 1]"\n9,"[1, 1]"\n'),
        (
            "o.yml",
            "tables:\n  item_embeddings:\n    path: vectors.csv\n    columns: {item_id: item, "
            "vector: vector}\n    constants: {kind: image}\n"
            "  items: {path: ours.csv, columns: {item_id: id, title: name}}\n"
            "  events:\n    path: sales.csv\n    columns: {event_id: id, session_id: id, "
            "user_id: user, item_id: item, event_at: at}\n    constants: {event_type: purchase}\n",
        ),
    ):
        (tmp_path / name).write_text(text)
    assert not ingest(settings, "files", mapping=tmp_path / "o.yml").quarantined
    assert not ingest(settings, "files", mapping=tmp_path / "m.yml").quarantined
    snapshot = Snapshot.open(settings, build(settings).snapshot_id)

    def ids(mart: str, column: str) -> list[str]:
        found: list[str] = pq.read_table(snapshot.mart(mart))[column].to_pylist()
        return found

    assert ids("items", "item_id") == ["1"]
    assert ids("competitor_items", "item_id") == ["rival:1", "rival:2"]
    assert set(ids("competitor_items", "competitor")) == {"rival"}
    assert ids("competitor_reviews", "review_id") == ["rival:a"]  # item 9 is not in the catalogue
    vectors = pq.read_table(snapshot.mart("item_embeddings")).to_pylist()  # item 9 is none
    assert vectors == [{"item_id": "1", "kind": "image", "vector": [0.5, 1.0], "dimensions": 2}]
    np.testing.assert_allclose(pq.read_table(snapshot.mart("competitor_items"))["price"], [2.5, 3])
