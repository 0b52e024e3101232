"""Predictions land as a source, and are marts and features of the next snapshot."""

from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted_insights import publish_audience, publish_comparison, publish_plan
from planted_retention import AS_OF, SNAPSHOT, orders, write_shop

from feature_repo.definitions import definitions
from penchant.artifacts import Snapshot
from penchant.artifacts.demand import DemandRecord, Errors
from penchant.building.build import build
from penchant.errors import NothingToDo
from penchant.ingestion.ingest import ingest
from penchant.ingestion.predicted.demand import item_forecasts
from penchant.insights.demand.stage import forecast_demand
from penchant.insights.retention.stage import predict_retention
from penchant.insights.voice.stage import read_voice
from penchant.quality.check import check
from penchant.settings import Settings


def landed(settings: Settings, table: str) -> pa.Table:
    files = sorted((settings.landing / "insights" / table).glob("*/data.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files], promote_options="default")


def test_nothing_published_is_nothing_to_do(settings: Settings) -> None:
    with pytest.raises(NothingToDo, match="no insights are published that land"):
        ingest(settings, source="insights")


def test_predictions_land_once_with_the_end_of_their_snapshot(settings: Settings) -> None:
    write_shop(settings, orders())
    predict_retention(settings, SNAPSHOT)
    first, again = (ingest(settings, source="insights") for _ in range(2))
    assert len(first.landed) == 1 and len(again.unchanged) == 1 and not first.quarantined
    rows = landed(settings, "user_returns")
    assert len(set(rows["user_id"].to_pylist())) == len(rows) > 200
    assert set(rows["predicted_at"].to_pylist()) == {AS_OF}


def test_best_users_of_an_audience_land_with_their_places(settings: Settings) -> None:
    write_shop(settings, orders(users=2))
    publish_audience(settings, SNAPSHOT, {"new": [f"u{n}" for n in range(150)], "other": []})
    ingest(settings, source="insights")
    rows = landed(settings, "launch_audiences").sort_by("place").to_pylist()
    assert [row["place"] for row in rows] == list(range(1, 101))
    assert rows[0] == {"item_id": "new", "user_id": "u0", "ranked_at": AS_OF, "place": 1}


def test_comparison_lands_without_doubtful_matches_and_empty_names(settings: Settings) -> None:
    write_shop(settings, orders(users=2))
    publish_comparison(settings, SNAPSHOT, "i1")
    assert not ingest(settings, source="insights").quarantined
    [match] = landed(settings, "competitor_matches").to_pylist()
    assert (match["their_item_id"], match["compared_at"]) == ("rival:0", AS_OF)
    prices = landed(settings, "competitor_prices").to_pylist()
    assert sorted(row["category"] for row in prices) == ["", "Tea"]
    [gap] = landed(settings, "competitor_gaps").to_pylist()
    assert gap["category"] is None and gap["item_id"] == "rival:9"
    assert len(landed(settings, "competitor_aspects")) == 1


def test_four_weeks_of_a_forecast_are_their_sum_with_the_interval_of_totals(
    tmp_path: Path,
) -> None:
    levels, quantiles = (0.05, 0.5, 0.95), (-1.5, 0.0, 2.0)
    errors = Errors(weeks=(quantiles,) * 4, totals=(quantiles,) * 4, day=quantiles)
    record = DemandRecord(
        snapshot_id=SNAPSHOT,
        weeks=52,
        items=1,
        categories=1,
        validation_origins=(),
        test_origins=(),
        methods={},
        reconciled_by="bottom_up",
        levels=levels,
        errors={"slow": errors},
        backtest={},
        service=(),
        total_wape={},
    )
    record.write(tmp_path / "demand.json")
    weekly = {"level": ["item", "shop"], "item_id": ["i1", None], "volume_class": ["slow", "shop"]}
    means = {f"mean_{week}": [float(week), 9.0] for week in range(1, 5)}
    pq.write_table(pa.table({**weekly, "scale": [3.0, 1.0], **means}), tmp_path / "weekly.parquet")
    [row] = item_forecasts(tmp_path, AS_OF).to_pylist()
    assert row["expected_7d"] == 1.0 and row["expected_28d"] == 10.0
    assert (row["low_28d"], row["high_28d"]) == (10 - 1.5 * 3 * 2, 10 + 2.0 * 3 * 2)


@pytest.mark.long
def test_next_snapshot_has_predictions_as_marts_and_features(checked_home: Settings) -> None:
    first = Snapshot.live(checked_home)
    forecast_demand(checked_home, first.id)
    predict_retention(checked_home, first.id)
    read_voice(checked_home, first.id)
    users, items = (
        pq.read_table(first.mart(name), columns=[key])[key].to_pylist()
        for name, key in (("users", "user_id"), ("items", "item_id"))
    )
    publish_audience(checked_home, first.id, {items[0]: [*users[:3], "nobody"]})
    publish_comparison(checked_home, first.id, items[0])
    publish_plan(checked_home, first.id, users[:2])
    ingest(checked_home, source="insights")
    report = build(checked_home)
    assert report.snapshot_id != first.id
    snapshot = Snapshot.open(checked_home, report.snapshot_id)
    assert snapshot.as_of == first.as_of, "predictions do not move the end of the data"
    check(checked_home, snapshot.id)
    views = {"item_forecast", "user_retention", "launch_audience", "item_voice", "item_competition"}
    tables = {"review_aspects", "competitor_price_index", "assortment_gaps", "competitor_aspects"}
    tables.add("planned_offers")
    for mart in views | tables:
        times = duckdb.read_parquet(str(snapshot.mart(mart))).project("feature_at").distinct()
        assert [row[0] for row in times.fetchall()] == [datetime.fromisoformat(f"{first.as_of}")]
    assert len(pq.read_table(snapshot.mart("launch_audience"))) == 3
    [competition] = pq.read_table(snapshot.mart("item_competition")).to_pylist()
    assert competition["competitor_price_ratio"] == pytest.approx(0.9)
    defined = definitions(snapshot)
    [service] = [each for each in defined.services if each.name == "insights"]
    assert {each.name for each in service.feature_view_projections} == views
