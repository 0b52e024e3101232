"""Search by text: matches, typing errors, interests, and what is answered where nothing matches."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from penchant.api.app import create_app
from penchant.artifacts import CheckResults, Snapshot
from penchant.artifacts.search import SearchRecord
from penchant.errors import NothingToDo
from penchant.insights.search.evaluation import QuerySignals, quality, select_weights
from penchant.insights.search.index import SearchIndex, write_index
from penchant.insights.search.published import published_search
from penchant.insights.search.ranking import Searcher, Weights, paths_of
from penchant.insights.search.spelling import distance
from penchant.insights.search.stage import index_search
from penchant.settings import Settings

TITLES = [
    "Peanut butter 18 oz",
    "Butter salted",
    "Peanut snack mix",
    "Chocolate milk",
    "Crème brûlée",
    "ピーナッツバター",
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SearchIndex:
    folder = tmp_path_factory.mktemp("index")
    texts = {
        "title": TITLES,
        "brand": ["Acme", *[None] * 5],
        "category": ["Spreads", "Dairy", "Snacks", "Dairy", "Dessert", None],
        "description": ["with peanuts"] + [None] * 5,
    }
    write_index(folder, texts)
    return SearchIndex.open(folder, len(TITLES))


def titles(index: SearchIndex, query: str, **options: Any) -> list[str]:
    return [TITLES[item] for item in index.search(query, 10, **options).items_N]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("peanut butter", ["Peanut butter 18 oz"]),
        ("butter ", ["Butter salted", "Peanut butter 18 oz"]),
        ("BUTTER salt", ["Butter salted"]),
        ("dairy", ["Chocolate milk", "Butter salted"]),
        ("acme", ["Peanut butter 18 oz"]),
        ("creme brulee", ["Crème brûlée"]),
        ("バター", ["ピーナッツバター"]),
        ("choc", ["Chocolate milk"]),
        ("choc ", []),
        ("", []),
        ("?!", []),
    ],
)
def test_finds_words_prefixes_and_other_scripts(
    index: SearchIndex, query: str, expected: list[str]
) -> None:
    assert sorted(titles(index, query)) == sorted(expected)


def test_shorter_title_with_the_word_comes_first(index: SearchIndex) -> None:
    assert titles(index, "butter ")[0] == "Butter salted"


def test_items_with_most_words_answer_where_none_has_all(index: SearchIndex) -> None:
    found = index.search("peanut butter milk ", 10)
    assert [TITLES[item] for item in found.items_N] == ["Peanut butter 18 oz"]
    assert not found.complete


def test_typing_errors_are_corrected_and_named(index: SearchIndex) -> None:
    found = index.search("choclate mlik", 10)
    assert [TITLES[item] for item in found.items_N] == ["Chocolate milk"]
    assert found.corrected == {"choclate": "chocolate", "mlik": "milk"}
    assert titles(index, "choclate ", correct=False) == []
    assert titles(index, "xy") == [], "short words are not corrected"
    assert index.search("zzzzz qqqqq wwwww mlik ", 10).corrected == {}, "at most three are tried"


def test_edits_count_an_exchange_as_one() -> None:
    assert distance("mlik", "milk", 2) == 1
    assert distance("butter", "buter", 2) == 1
    assert distance("butter", "peanut", 2) == 3


def test_query_is_cut_to_a_few_words(index: SearchIndex) -> None:
    assert titles(index, "milk " + "butter " * 5000)


def write_catalogue(settings: Settings, number: int) -> None:
    """Texts of the small shop's snapshot, which is checked, with a search event."""
    snapshot = Snapshot.open(settings, f"s-20180102-{number:012x}")
    CheckResults(snapshot_id=snapshot.id, passed=True).write(snapshot.checks)
    items = pq.read_table(snapshot.mart("items"))
    names = [f"{'green' if at % 2 else 'black'} tea {at % 10}" for at in range(len(items))]
    items = items.set_column(items.column_names.index("title"), "title", pa.array(names))
    pq.write_table(items, snapshot.mart("items"))
    rows = pq.read_table(snapshot.mart("events")).to_pylist()
    rows = [row | {"query": None} for row in rows]
    for user in ("u1", "u2"):
        at = datetime(2017, 12, 30)
        base = rows[0] | {"user_id": user, "session_id": f"search of {user}"}
        rows.append(
            base | {"event_type": "search", "item_id": None, "query": "gift", "event_at": at}
        )
        later = at + timedelta(minutes=1)
        rows.append(base | {"event_type": "view", "item_id": "i050", "event_at": later})
    pq.write_table(pa.Table.from_pylist(rows), snapshot.mart("events"))


@pytest.fixture(scope="module")
def indexed_once(published_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The small shop with a release and a search index."""
    home = tmp_path_factory.mktemp("search") / "home"
    shutil.copytree(published_once, home)
    settings = Settings(_env_file=None, home=home, threads=1)
    write_catalogue(settings, 1)
    index_search(settings, "s-20180102-000000000001")
    return settings


@pytest.fixture(scope="module")
def client(indexed_once: Settings) -> TestClient:
    return TestClient(create_app(indexed_once))


def found(client: TestClient, **params: Any) -> dict[str, Any]:
    answer = client.get("/v1/search", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_interests_and_purchases_of_a_user_move_items_up(client: TestClient) -> None:
    """User u3 is interested in pans, which have the odd numbers, and bought i003 to i012."""
    nobody = found(client, q="tea 3 ", k=20)
    known = found(client, q="tea 3 ", k=20, user_id="u3")
    assert not nobody["personalized"] and known["personalized"]
    assert known["items"][0]["item_id"] == "i003"
    assert {each["item_id"] for each in nobody["items"]} == {
        each["item_id"] for each in known["items"]
    }
    assert found(client, q="tea 3 ", k=20, user_id="unknown") == nobody


def test_items_that_users_acted_on_after_a_search_are_learned(client: TestClient) -> None:
    answer = found(client, q="gift")
    assert answer["matched"] == "searches"
    assert [each["item_id"] for each in answer["items"]] == ["i050"]


def test_popular_items_answer_where_nothing_matches(client: TestClient) -> None:
    answer = found(client, q="qqqqq", k=5)
    assert answer["matched"] == "popular" and len(answer["items"]) == 5


def test_corrected_words_are_named(client: TestClient) -> None:
    answer = found(client, q="grene tea")
    assert answer["corrected"] == {"grene": "green"} and answer["matched"] == "all words"


@pytest.mark.parametrize("params", [{"q": ""}, {"q": "x" * 201}, {"q": "tea", "k": 0}, {}])
def test_invalid_queries_are_rejected(client: TestClient, params: dict[str, Any]) -> None:
    assert client.get("/v1/search", params=params).status_code == 422


def test_missing_index_says_what_to_do(settings: Settings) -> None:
    answer = TestClient(create_app(settings)).get("/v1/search", params={"q": "tea"})
    assert answer.status_code == 503 and "penchant index-search" in answer.json()["remedy"]


def test_repeating_the_stage_changes_nothing(indexed_once: Settings) -> None:
    report = index_search(indexed_once, "s-20180102-000000000001")
    assert report.repeated and report.record.items == 120


def test_catalogue_without_items_is_nothing_to_do(
    indexed_once: Settings, settings: Settings
) -> None:
    shutil.copytree(indexed_once.home, settings.home)
    snapshot = Snapshot.open(settings, "s-20180102-000000000001")
    shutil.rmtree(SearchRecord.folder(settings, snapshot.id))
    pq.write_table(pq.read_table(snapshot.mart("items")).slice(0, 0), snapshot.mart("items"))
    with pytest.raises(NothingToDo, match="has no items"):
        index_search(settings, snapshot.id)


def test_weights_are_selected_by_what_users_bought() -> None:
    signals_N5 = np.array([[1.0, 0, 0, 0, 0], [0.9, 0, 0, 1.0, 0]])
    asked = [QuerySignals(signals_N5, 1)] * 20
    weights = select_weights(asked)
    assert weights.bought > 0 and quality(asked, weights).mrr["mean"] == 1.0
    assert quality(asked, Weights(0, 0, 0, 0)).mrr["mean"] == 0.5
    assert quality([QuerySignals(signals_N5, -1)], weights).recall == 0.0


def test_interests_of_a_wide_category_count() -> None:
    assert paths_of(("A", None, "B")) == ("A", "A > B")


def test_search_is_deterministic_and_leaves_ties_in_order(indexed_once: Settings) -> None:
    index = published_search(indexed_once)
    first, again = (index.search("tea ", 50, Searcher()) for _ in range(2))
    assert first == again
