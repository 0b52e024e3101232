"""The synthetic shop: deterministic, and its tables are consistent."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from penchant.errors import UsageError
from penchant.ingestion.ingest import ingest
from penchant.ingestion.simulated.campaigns import added_by_campaigns
from penchant.ingestion.simulated.shop import LINKS, truth
from penchant.ingestion.sources.simulator import simulate
from penchant.settings import Settings

SIZES = {"users": 30, "items": 40, "days": 90}


@pytest.fixture
def shop(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A view of each landed table."""
    report = ingest(settings, source="simulator", **SIZES)
    assert not report.quarantined
    connection = duckdb.connect()
    for table in ("users", "items", "events", "impressions", "campaigns", "reviews", "questions"):
        batches = settings.landing / "simulator" / table / "*" / "data.parquet"
        connection.execute(f"CREATE VIEW {table} AS FROM read_parquet('{batches}')")
    return connection


def hashes(settings: Settings) -> set[str]:
    return {path.parent.name for path in settings.landing.rglob("batch.json")}


def test_seed_and_sizes_determine_every_byte(settings: Settings, tmp_path: Path) -> None:
    homes = [
        settings.model_copy(update={"home": tmp_path / name, "seed": seed, "threads": threads})
        for name, seed, threads in [("a", 7, 1), ("b", 7, 2), ("c", 8, 1)]
    ]
    for home in homes:
        ingest(home, source="simulator", **SIZES)
    same, again, other = (hashes(home) for home in homes)
    assert same == again
    assert not same & other


def test_logs_every_event_type(shop: duckdb.DuckDBPyConnection) -> None:
    counts = dict(shop.sql("SELECT event_type, count(*) FROM events GROUP BY 1").fetchall())
    assert set(counts) == {"view", "search", "cart", "purchase", "return"}
    assert counts["view"] > counts["cart"] > counts["purchase"] > counts["return"]


def test_foreign_keys_exist(shop: duckdb.DuckDBPyConnection) -> None:
    for table in ("events", "impressions", "reviews", "questions", "campaigns"):
        unknown = f"SELECT 1 FROM {table} WHERE item_id NOT IN (SELECT item_id FROM items)"
        assert not shop.sql(unknown).fetchall()
    assert not shop.sql(
        "SELECT 1 FROM impressions WHERE ad_id NOT IN (SELECT campaign_id FROM campaigns)"
    ).fetchall()


def test_users_have_interests_and_habits(shop: duckdb.DuckDBPyConnection) -> None:
    """A user's most bought category has far more than its share; some buy a thing again."""
    [(top_share,)] = shop.sql(
        """SELECT avg(top) FROM (SELECT user_id, max(n) / sum(n) AS top FROM (
            SELECT user_id, category_2, count(*) AS n FROM events JOIN items USING (item_id)
            WHERE event_type = 'purchase' GROUP BY ALL) GROUP BY user_id HAVING sum(n) >= 5)"""
    ).fetchall()
    assert top_share > 0.35  # of 12 categories
    [(again,)] = shop.sql(
        """SELECT count(*) FROM (SELECT 1 FROM events WHERE event_type = 'purchase'
        GROUP BY user_id, item_id HAVING count(*) > 1)"""
    ).fetchall()
    assert again > 10


def test_same_users_buy_linked_categories() -> None:
    tables = simulate(seed=7, users=200, items=48, days=180)
    categories = {item["item_id"]: item["category_2"] for item in tables["items"]}
    names = sorted(set(categories.values()))
    bought = np.zeros((200, len(names)))
    for event in tables["events"]:
        if event["event_type"] == "purchase":
            bought[int(event["user_id"][1:]), names.index(categories[event["item_id"]])] += 1
    together = np.corrcoef(bought.T)
    for linked, to in LINKS.items():
        links = {names.index(linked), names.index(to)}
        others = [n for n in range(len(names)) if n not in links]
        assert together[tuple(links)] > 0.3
        assert together[names.index(linked)][others].max() < 0.2


def test_campaign_effect_matches_added_by_campaigns() -> None:
    sizes = {"users": 200, "items": 48, "days": 180}
    tables, (people, added) = simulate(7, **sizes), added_by_campaigns(7, **sizes)
    advertised: dict[str, set[str]] = {}
    starts, ends = {}, {}
    for row in tables["campaigns"]:
        advertised.setdefault(row["campaign_id"], set()).add(row["item_id"])
        starts[row["campaign_id"]], ends[row["campaign_id"]] = row["starts_on"], row["ends_on"]
    sent = {(row["ad_id"], row["user_id"]) for row in tables["impressions"] if "ad_id" in row}
    assert set(added) == set(advertised)
    gains = []
    for campaign, added_U in added.items():
        spent_U = np.zeros(len(people))
        for event in tables["events"]:
            if (
                event["event_type"] == "purchase"
                and event["item_id"] in advertised[campaign]
                and starts[campaign] <= event["event_at"] < ends[campaign]
            ):
                spent_U[people.index(event["user_id"])] += event["value"]
        sent_U = np.array([(campaign, user) in sent for user in people])
        much_U = added_U > np.median(added_U)
        gains.append(
            [
                spent_U[sent_U & half].mean() - spent_U[~sent_U & half].mean()
                for half in (much_U, ~much_U)
            ]
        )
    much, little = np.mean(gains, axis=0)
    assert much > 2 * abs(little)


def test_impressions_have_exact_propensities(shop: duckdb.DuckDBPyConnection) -> None:
    [(low, high, clicked)] = shop.sql(
        """SELECT min(propensity), max(propensity), avg(clicked::INT) FROM impressions
        WHERE item_id IS NOT NULL"""
    ).fetchall()
    assert 0 < low < high < 1
    assert 0 < clicked < 0.6
    by_position = shop.sql(
        """SELECT avg(clicked::INT) FROM impressions WHERE position IN (0, 3)
        GROUP BY position ORDER BY position"""
    ).fetchall()
    assert by_position[0] > by_position[1]


@pytest.mark.parametrize("sizes", [{"users": 0}, {"days": 601}, {"shops": 3}])
def test_rejects_sizes_out_of_bounds(settings: Settings, sizes: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        ingest(settings, source="simulator", **sizes)


def test_smallest_shop_lands(settings: Settings) -> None:
    assert not ingest(settings, source="simulator", users=1, items=1, days=1).quarantined


def test_truth_matches_the_landed_shop(settings: Settings, shop: duckdb.DuckDBPyConnection) -> None:
    known = truth(settings.seed, SIZES["users"], SIZES["items"])
    assert known.shares.sum(axis=1) == pytest.approx(1.0)
    looks = dict(
        shop.sql(
            """SELECT (user_id, category_2), count(*) FROM events JOIN items USING (item_id)
            WHERE event_type = 'view' GROUP BY ALL"""
        ).fetchall()
    )
    looked_UC = np.array([[looks.get((u, c), 0) for c in known.categories] for u in known.users])
    own = np.corrcoef(known.shares.ravel(), looked_UC.ravel())[0, 1]
    other = np.corrcoef(known.shares.ravel(), np.roll(looked_UC, 1, axis=0).ravel())[0, 1]
    assert own > 0.7 > 0.3 > other


def test_styles_are_seen_in_vectors_alone_and_change_nothing_without_them() -> None:
    plain, styled = simulate(7, 20, 30, 30), simulate(7, 20, 30, 30, styles=3)
    assert plain["item_embeddings"] == []
    assert plain["items"] == styled["items"]
    vectors = [row["vector"] for row in styled["item_embeddings"]]
    assert 20 < len(vectors) < 30 and {len(vector) for vector in vectors} == {32}
