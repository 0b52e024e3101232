"""The demand forecast on a shop whose demand is known."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from planted_demand import RATES, SNAPSHOT, pieces, write_shop

from penchant.api.app import create_app
from penchant.artifacts import Snapshot
from penchant.artifacts.demand import DemandRecord
from penchant.errors import NothingToDo, UsageError
from penchant.insights.demand.methods import HORIZON, croston, mean_of_four, seasonal_naive
from penchant.insights.demand.origins import LEAST_WEEKS, Origin, origin_at, origin_weeks
from penchant.insights.demand.published import published_demand
from penchant.insights.demand.reconcile import bottom_up, min_trace
from penchant.insights.demand.restock import RestockPolicy, read_stock, restock
from penchant.insights.demand.selection import errors_of
from penchant.insights.demand.series import DAYS, read_demand
from penchant.insights.demand.stage import forecast_demand
from penchant.settings import Settings

CATEGORY_N = np.array([0, 0, 1])


@pytest.fixture(scope="module")
def forecast_once(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """For tests that only read."""
    home = tmp_path_factory.mktemp("demand") / "home"
    settings = Settings(_env_file=None, home=home, threads=1)
    write_shop(settings, pieces())
    forecast_demand(settings, SNAPSHOT)
    return settings


@pytest.fixture(scope="module")
def client(forecast_once: Settings) -> TestClient:
    return TestClient(create_app(forecast_once))


def test_forecast_is_near_the_known_rates(forecast_once: Settings) -> None:
    published = published_demand(forecast_once)
    for item in ("fast0", "fast3"):
        weeks = published.of_item(item).weeks
        assert [week.mean for week in weeks] == pytest.approx([RATES[item]] * HORIZON, rel=0.25)
        assert all(week.low < RATES[item] < week.high for week in weeks)


def test_errors_of_a_single_category_count_once() -> None:
    """The category is the shop; with twice the errors, the interval would be too narrow."""
    random = np.random.default_rng(0)

    def origin(*actual: float) -> Origin:
        classes_M = np.array(["category", "shop"][-len(actual) :], dtype=object)
        actual_MD = np.repeat(np.array(actual)[:, None], HORIZON * DAYS, axis=1)
        ones_M = np.ones(len(actual))
        return Origin(
            *(9, classes_M, {}, ones_M, ones_M, ones_M > 0),
            share_M7=np.full((len(actual), DAYS), 1 / DAYS),
            actual_MD=actual_MD,
        )

    sold = random.poisson(10, 30).tolist()
    both, alone = (
        errors_of(origins, [np.zeros((len(each.classes_M), HORIZON)) for each in origins])
        for origins in ([origin(n, n) for n in sold], [origin(n) for n in sold])
    )
    assert both["category"] == both["shop"] == alone["shop"]


def test_forecasts_add_up_by_category_and_by_day(forecast_once: Settings) -> None:
    published = published_demand(forecast_once)
    shop = published.of_shop()
    for level in (published.categories(9), [shop]):
        totals = np.sum([[week.mean for week in each.weeks] for each in level], axis=0)
        assert totals == pytest.approx([week.mean for week in shop.weeks])
    items = published.weekly.filter(pc.equal(published.weekly["level"], "item"))
    assert pc.sum(items["mean_1"]).as_py() == pytest.approx(shop.weeks[0].mean)
    first_week = [day.mean for day in shop.days[:7]]
    assert sum(first_week) == pytest.approx(shop.weeks[0].mean, rel=1e-4)
    assert np.argmax(first_week) == 5 and first_week[6] == pytest.approx(0.0, abs=1.0)


def test_intervals_cover_what_happened_on_held_out_weeks(forecast_once: Settings) -> None:
    record = DemandRecord.read(DemandRecord.path(forecast_once, SNAPSHOT))
    assert record.validation_origins == (8, 12) and record.test_origins == (16, 20)
    for name in ("slow", "medium", "fast"):
        assert 0.75 <= record.backtest[name].ours.coverage <= 1.0
    naive = record.backtest["medium"].difference["seasonal_naive"]
    assert naive["mean"] < 0
    (week, _) = record.service
    assert week.achieved >= 0.88


def test_repeating_the_stage_changes_nothing(forecast_once: Settings) -> None:
    report = forecast_demand(forecast_once, SNAPSHOT)
    assert report.repeated and "unchanged" in report.summary()


def test_future_weeks_do_not_change_a_forecast(settings: Settings) -> None:
    sold = pieces()
    write_shop(settings, sold)
    snapshot = Snapshot.live(settings)
    demand = read_demand(snapshot, 1, LEAST_WEEKS)
    before = origin_at(demand, 16, 0, 1)
    demand.pieces_ND[:, 16 * 7 :] *= 50
    demand.price_NT[:, 16:] = 999
    after = origin_at(demand, 16, 0, 1)
    for name, forecasts_MH in before.base.items():
        np.testing.assert_array_equal(forecasts_MH, after.base[name], err_msg=name)
    np.testing.assert_array_equal(before.share_M7, after.share_M7)


def test_too_short_a_history_is_nothing_to_do(settings: Settings) -> None:
    write_shop(settings, pieces(weeks=10))
    with pytest.raises(NothingToDo, match="has 10 whole weeks of purchases, a forecast needs 16"):
        forecast_demand(settings, SNAPSHOT)
    with pytest.raises(NothingToDo, match="no demand forecast is published"):
        published_demand(settings)


def test_origins_end_where_the_weeks_ahead_are_known() -> None:
    assert origin_weeks(52) == ([28, 32, 36], [40, 44, 48])
    assert origin_weeks(16) == ([8], [12])


def test_methods_continue_what_they_know() -> None:
    yearly_NT = np.arange(52.0)[None, :]
    assert seasonal_naive(yearly_NT).tolist() == [[51] * 4]
    assert mean_of_four(yearly_NT).tolist() == [[49.5] * 4]


def test_intermittent_series_get_their_rate() -> None:
    every_fourth_T = np.tile([0.0, 0.0, 0.0, 2.0], 13)
    never_T, brand_new_T = np.zeros(52), np.r_[np.zeros(50), 3.0, 5.0]
    forecasts_NH = croston(np.stack([every_fourth_T, never_T, brand_new_T]))
    assert forecasts_NH[0] == pytest.approx([0.5] * 4, rel=0.25)
    assert forecasts_NH[1].tolist() == [0] * 4
    assert forecasts_NH[2] == pytest.approx([4.0] * 4)


def test_min_trace_trusts_the_nodes_with_small_errors() -> None:
    base_MH = np.array([[10.0], [10.0], [10.0], [30.0], [10.0], [40.0]])
    sure_above = np.array([1.0, 1.0, 1.0, 1e-6, 1e-6, 1e-6])
    assert min_trace(base_MH, sure_above, CATEGORY_N, 2)[:, 0] == pytest.approx(
        [15, 15, 10, 30, 10, 40], rel=1e-3
    )
    sure_items = np.array([1e-6, 1e-6, 1e-6, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(
        min_trace(base_MH, sure_items, CATEGORY_N, 2),
        bottom_up(base_MH, CATEGORY_N, 2),
        rtol=1e-3,
    )


def test_negative_item_is_reconciled_to_zero() -> None:
    base_MH = np.array([[1.0], [10.0], [5.0], [0.0], [5.0], [5.0]])
    found_MH = min_trace(base_MH, np.array([5.0, 1.0, 1.0, 1e-3, 1.0, 1.0]), CATEGORY_N, 2)
    assert found_MH.min() == 0
    np.testing.assert_allclose(found_MH, bottom_up(found_MH, CATEGORY_N, 2))


def test_restock_list_covers_the_service_level_and_subtracts_stock(
    forecast_once: Settings,
) -> None:
    demand = published_demand(forecast_once)

    def points(policy: RestockPolicy, stock: dict[str, float]) -> dict[str, float]:
        listed = restock(demand.weekly, demand.record, policy, stock)
        return dict(zip(listed["item_id"].to_pylist(), listed["order"].to_pylist(), strict=True))

    usual, safer = (points(RestockPolicy(7, level), {}) for level in (0.5, 0.99))
    assert usual["fast0"] < safer["fast0"] and safer.get("ended", 0.0) < 10
    assert points(RestockPolicy(14, 0.5), {})["fast0"] > 1.5 * usual["fast0"]
    stocked = points(RestockPolicy(7, 0.5), {"fast0": 5.0, "fast1": 1e6})
    assert stocked["fast0"] == usual["fast0"] - 5 and "fast1" not in stocked


@pytest.mark.parametrize(
    ("policy", "cause"),
    [
        (RestockPolicy(29, 0.9), "lead time: must be from 1 to 28 days, got 29"),
        (RestockPolicy(7, 1.0), "service level: must be from 0.5 to 0.99, got 1"),
    ],
)
def test_invalid_policies_are_rejected(
    forecast_once: Settings, policy: RestockPolicy, cause: str
) -> None:
    with pytest.raises(UsageError, match=cause):
        published_demand(forecast_once).restock(policy)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("item,pieces\ni1,3\n", "row 2 lacks item_id or on_hand"),
        ("item_id,on_hand\ni1,many\n", "row 2: on_hand must be a number from 0, got 'many'"),
        ("item_id,on_hand\ni1,-1\n", "row 2: on_hand must be a number from 0, got '-1'"),
    ],
)
def test_invalid_stock_files_are_rejected(tmp_path: Path, text: str, cause: str) -> None:
    (tmp_path / "stock.csv").write_text(text)
    with pytest.raises(UsageError, match=cause):
        read_stock(tmp_path / "stock.csv")
    with pytest.raises(UsageError, match="can't be read"):
        read_stock(tmp_path / "none.csv")


def test_api_answers_items_categories_and_the_shop(client: TestClient) -> None:
    item = client.get("/v1/demand", params={"item_id": "fast0"}).json()
    assert (item["level"], item["volume_class"], item["category"]) == ("item", "fast", "B")
    assert [week["start"] for week in item["weeks"]][:2] == ["2024-04-01", "2024-04-08"]
    assert len(item["days"]) == 28 and len(item["history"]) == 12
    assert client.get("/v1/demand", params={"category": "A"}).json()["level"] == "category"
    assert client.get("/v1/demand").json()["level"] == "shop"
    listed = client.get("/v1/restock", params={"k": 3}).json()["items"]
    assert listed[0]["title"] == "Title of fast3" and len(listed) == 3


def test_api_rejects_what_has_no_forecast(client: TestClient) -> None:
    both = client.get("/v1/demand", params={"item_id": "fast0", "category": "A"})
    assert "both given" in both.json()["detail"]
    assert client.get("/v1/restock", params={"lead_days": 29}).status_code == 422
    unknown = client.get("/v1/demand", params={"item_id": "other"})
    assert "item 'other' was not sold" in unknown.json()["detail"]


def test_erased_forecast_is_not_served(forecast_once: Settings, settings: Settings) -> None:
    shutil.copytree(forecast_once.home, settings.home)
    shutil.rmtree(settings.home / "insights" / SNAPSHOT)
    answer = TestClient(create_app(settings)).get("/v1/demand")
    assert answer.status_code == 503 and "refresh_insights" in answer.json()["remedy"]


def test_console_shows_forecast_and_restock_list(client: TestClient) -> None:
    page = client.get("/console/insights")
    assert page.status_code == 200
    for expected in ("Pieces a week of the shop", "Title of fast3", "What to order", "WAPE"):
        assert expected in page.text


def test_console_says_what_to_do_before_the_first_forecast(settings: Settings) -> None:
    page = TestClient(create_app(settings)).get("/console/insights")
    assert page.status_code == 200 and "No demand forecast is published" in page.text


def test_weekly_file_has_active_items_only(forecast_once: Settings) -> None:
    weekly = pq.read_table(DemandRecord.folder(forecast_once, SNAPSHOT) / "weekly.parquet")
    assert set(weekly["volume_class"].to_pylist()) == {
        "slow",
        "medium",
        "fast",
        "category",
        "shop",
    }
