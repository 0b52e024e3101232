"""A checked snapshot with past campaigns whose effect is known, and what a plan reads beside them.

The campaigns are those of ``planted_ads``. Demand has an elasticity of 1.5 to prices.
"""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from planted_ads import ad_tables, added

from penchant.artifacts import CheckResults, SnapshotDescription
from penchant.settings import Settings

SNAPSHOT, AS_OF = "s-20240401-0123456789ab", datetime(2024, 4, 1)
USERS = [f"u{number:03}" for number in range(300)]
ELASTICITY = 1.5
BRIEF = """
name: spring
goal: sales
budget: 150
starts_on: 2024-04-08
ends_on: 2024-04-17
holdout: 0.2
contact_cost: 0.5
usual_discount: 0.2
discounts: [0.1, 0.2]
offers_per_user: 1
offers:
  tea: {kind: coupon, category: [Tea]}
  pan: {kind: mailer, items: [i1]}
"""


def write_campaigns(settings: Settings) -> dict[str, float]:
    """Write the snapshot; return what a campaign truly adds to each user's spending."""
    folder = settings.snapshots / SNAPSHOT
    for name in ("marts", "training_sets"):
        (folder / name).mkdir(parents=True)
    responses, spending = ad_tables(USERS)
    pq.write_table(responses, folder / "training_sets" / "ad_responses.parquet")
    pq.write_table(spending, folder / "training_sets" / "campaign_spending.parquet")
    last = spending.slice(len(spending) - len(USERS))
    at = pa.array([AS_OF] * len(USERS), pa.timestamp("us"))
    orders = last["user_statistics__orders"]
    marts = {
        "users": pa.table({"user_id": USERS}),
        "user_statistics": pa.table({"user_id": USERS, "feature_at": at, "orders": orders}),
        "user_profile": pa.table(
            {"user_id": USERS, "feature_at": at, "group": last["user_profile__group"]}
        ),
        "items": pa.table({"item_id": ["i0", "i1"], "category_1": ["Tea", "Pans"]}),
        "events": pa.table(
            {
                "user_id": ["u000"],
                "item_id": ["i0"],
                "event_type": ["purchase"],
                "event_at": pa.array([AS_OF - timedelta(days=3)], pa.timestamp("us")),
                "value": [4.0],
            }
        ),
        "impressions": pa.table(
            {
                "user_id": ["u000"],
                "ad_id": ["c11"],
                "shown_at": pa.array([AS_OF - timedelta(days=60)], pa.timestamp("us")),
                "clicked": [True],
                "converted": pa.array([None], pa.bool_()),
            }
        ),
        "campaigns": pa.table(
            {
                "campaign_id": ["c11"],
                "item_id": ["i0"],
                "ends_on": pa.array([(AS_OF - timedelta(days=50)).date()], pa.date32()),
            }
        ),
        "item_demand": demand_table(),
    }
    for name, table in marts.items():
        pq.write_table(table, folder / "marts" / f"{name}.parquet")
    SnapshotDescription(id=SNAPSHOT, as_of=AS_OF).write(folder / "snapshot.json")
    CheckResults(snapshot_id=SNAPSHOT, passed=True).write(folder / "checks.json")
    settings.live_snapshot.flip(SNAPSHOT)
    planted = added(np.log1p(orders.to_numpy()) - 3)
    return dict(zip(USERS, planted, strict=True))


def demand_table(varied: bool = True) -> pa.Table:
    """30 items and 40 weeks; ``varied``: prices change from week to week."""
    random = np.random.default_rng(0)
    items, weeks = np.repeat(np.arange(30), 40), np.tile(np.arange(40), 30)
    price = 5.0 * np.exp(random.normal(0, 0.2, len(items)) * varied)
    mean = 200 * np.exp(0.02 * weeks) * (price / 5) ** -ELASTICITY
    return pa.table(
        {
            "item_id": [f"i{item}" for item in items],
            "feature_at": pa.array(
                [AS_OF - timedelta(days=7 * int(week)) for week in weeks], pa.timestamp("us")
            ),
            "demand_purchases_7d": random.poisson(mean) + 1,
            "demand_price_7d": price,
        }
    )
