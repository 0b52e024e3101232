"""Subcommands of the uses of interests beside recommendation."""

from pathlib import Path
from typing import Annotated

import typer

from penchant.commands.answer import AsJson, SnapshotId, answer
from penchant.commands.priority import INSIGHTS, yield_to_serving
from penchant.settings import Settings

insights = typer.Typer()


@insights.command()
def forecast_demand(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Forecast the pieces sold by item, category and shop in the four weeks after a snapshot."""
    from penchant.insights.demand.stage import forecast_demand as run

    yield_to_serving(INSIGHTS)
    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@insights.command()
def restock(
    lead_days: Annotated[int, typer.Option(help="days until a delivery arrives")] = 7,
    service_level: Annotated[
        float, typer.Option(help="share of lead times without a stock-out")
    ] = 0.95,
    stock: Annotated[
        Path | None, typer.Option(help="CSV file with the columns item_id and on_hand")
    ] = None,
    out: Annotated[Path, typer.Option(help="CSV file to write")] = Path("restock.csv"),
    as_json: AsJson = False,
) -> None:
    """Write the items to order now and how many, from the published demand forecast."""
    from penchant.insights.demand.published import published_demand
    from penchant.insights.demand.restock import RestockPolicy, read_stock, write_restock
    from penchant.insights.demand.restock import restock as run

    policy = RestockPolicy(lead_days, service_level)
    demand = published_demand(Settings())
    listed = run(demand.weekly, demand.record, policy, read_stock(stock) if stock else {})
    write_restock(listed, out)
    answer(
        f"{len(listed):,} items to order: {out}",
        {"items": len(listed), "path": out, "snapshot_id": demand.record.snapshot_id},
        as_json,
    )


@insights.command()
def plan_campaign(
    snapshot: SnapshotId,
    brief: Annotated[Path, typer.Option(help="YAML file: goal, budget, dates, holdout, offers")],
    as_json: AsJson = False,
) -> None:
    """Plan which offers to send to which users at which discount, by what they add."""
    from training.campaigns.stage import plan_campaign as run

    yield_to_serving(INSIGHTS)
    report = run(Settings(), snapshot, brief)
    answer(report.summary(), report.as_dict(), as_json)


@insights.command()
def plan_campaigns(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Plan every campaign whose brief is in the folder `campaigns` of the home."""
    from training.campaigns.briefs import plan_campaigns as run

    yield_to_serving(INSIGHTS)
    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@insights.command()
def evaluate_campaign(
    snapshot: SnapshotId,
    name: Annotated[str, typer.Option(help="name of a planned campaign that has ended")],
    as_json: AsJson = False,
) -> None:
    """Compare what users who were sent a campaign spent with the held-out users."""
    from training.campaigns.outcome import campaign_outcome as run

    report = run(Settings(), name, snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@insights.command()
def predict_retention(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Predict who returns within 28 days, what users spend in 90, and who is fading."""
    from penchant.insights.retention.stage import predict_retention as run

    yield_to_serving(INSIGHTS)
    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@insights.command()
def index_search(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Index a snapshot's items for search by text."""
    from penchant.insights.search.stage import index_search as run

    yield_to_serving(INSIGHTS)
    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@insights.command()
def rank_audiences(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Rank the users most likely to buy each item that is new."""
    from penchant.insights.audience.stage import rank_audiences as run

    yield_to_serving(INSIGHTS)
    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@insights.command()
def compare_competitors(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Match competitors' items with ours; compare prices, assortment and reviews."""
    from penchant.insights.competitors.stage import compare_competitors as run

    yield_to_serving(INSIGHTS)
    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@insights.command()
def read_reviews(snapshot: SnapshotId, as_json: AsJson = False) -> None:
    """Find sentiment, aspects and topics in a snapshot's reviews, and index them for questions."""
    from penchant.insights.voice.stage import read_voice as run

    yield_to_serving(INSIGHTS)
    report = run(Settings(), snapshot)
    answer(report.summary(), report.as_dict(), as_json)


@insights.command()
def plan_launch(
    snapshot: SnapshotId,
    item: Annotated[str, typer.Option(help="item that is new")],
    budget: Annotated[float, typer.Option(help="money for impressions")],
    price: Annotated[float, typer.Option(help="money of an impression")],
    explore: Annotated[float, typer.Option(help="share of impressions that explore")] = 0.1,
    cap: Annotated[int, typer.Option(help="most impressions of a user")] = 3,
    out: Annotated[Path, typer.Option(help="CSV file to write")] = Path("launch.csv"),
    as_json: AsJson = False,
) -> None:
    """Plan how many impressions of a new item to show to whom, with exploration."""
    from penchant.insights.audience.launch import LaunchBudget
    from penchant.insights.audience.launch import plan_launch as run

    yield_to_serving(INSIGHTS)
    money = LaunchBudget(budget, price, explore, cap)
    expected = run(Settings(), snapshot, item, money, out)
    answer(
        f"{expected['impressions']:,.0f} impressions to {expected['users']:,.0f} users for "
        f"{expected['cost']:,.2f}, {expected['explore']:,.0f} of them to explore; "
        f"{expected['expected_buyers']:.1f} first buyers expected within four weeks: {out}",
        {**expected, "path": out, "snapshot_id": snapshot},
        as_json,
    )
