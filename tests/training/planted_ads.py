"""Ads with a planted response: who answers, and what sending adds, are known functions.

A user's ``orders`` and ``group`` decide both, with a little of the campaign's kind. Campaigns go
out by a coin that is heavier for users with many orders, so that whoever forgets the chance of
being sent one finds too much.
"""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

BEGINS, EVERY, RUNS = datetime(2023, 6, 1), timedelta(days=20), timedelta(days=10)
CAMPAIGNS = 12
GROUPS = ("a", "b", "c")


def logit(orders: np.ndarray, group: np.ndarray, kind: str) -> np.ndarray:
    """Of a user's answer. ``orders``: standardised."""
    return -0.5 + 1.2 * orders + np.where(group == "b", 1.0 if kind == "coupon" else -0.5, 0.0)


def added(orders: np.ndarray) -> np.ndarray:
    """Money that sending a campaign adds."""
    return 5.0 + 4.0 * orders


def ad_tables(users: list[str], seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """``ad_responses`` and ``campaign_spending``. Half of the rows say with what chance."""
    random = np.random.default_rng(seed)
    orders = random.normal(size=len(users))
    group = random.choice(GROUPS, len(users))
    parts = []
    for campaign in range(CAMPAIGNS):
        starts = BEGINS + campaign * EVERY
        kind = ("coupon", "mailer")[campaign % 2]
        chance = 1 / (1 + np.exp(-orders)) if campaign % 2 else np.full(len(users), 0.5)
        sent = random.random(len(users)) < chance
        answered = random.random(len(users)) < 1 / (1 + np.exp(-logit(orders, group, kind)))
        spent = 60 + 15 * orders + sent * added(orders) + random.normal(0, 3, len(users))
        parts.append(
            pa.table(
                {
                    "offer_id": [f"c{campaign:02}-{user}" for user in users],
                    "user_id": users,
                    "ad_id": [f"c{campaign:02}"] * len(users),
                    "kind": [kind] * len(users),
                    "starts_at": _times([starts] * len(users)),
                    "answered_at": _times([starts + RUNS] * len(users)),
                    "sent": sent,
                    "propensity": pa.array(
                        [None if campaign % 2 else 0.5] * len(users), pa.float64()
                    ),
                    "spend_after": spent.clip(0),
                    "advertised_spend_after": (0.5 * spent).clip(0),
                    # log(1 + x) of it is what was planted, give or take the ends
                    "user_statistics__orders": np.expm1(orders + 3).clip(0),
                    "user_profile__group": group,
                    "event_timestamp": _times([starts] * len(users)),
                    "user_statistics__feature_time": _times([starts - RUNS] * len(users)),
                    "converted": sent & answered,
                }
            )
        )
    spending = pa.concat_tables(parts)
    shown = spending.filter(spending["sent"]).rename_columns(
        {"offer_id": "impression_id", "starts_at": "shown_at"}
    )
    shown = shown.drop_columns(["sent", "propensity", "advertised_spend_after"])
    return shown, spending.drop_columns(["converted"])


def candidates(spending: pa.Table) -> pa.Table:
    """``ad_candidates``: the last campaign's users, as if it still ran."""
    last = spending.filter(pa.compute.equal(spending["ad_id"], spending["ad_id"][-1]))
    left_out = ["answered_at", "sent", "propensity", "spend_after", "advertised_spend_after"]
    ends = last["answered_at"].cast(pa.date32())
    named = last.drop_columns(left_out).rename_columns({"starts_at": "feature_at"})
    return named.append_column("ends_on", ends)


def write_ads(folder: Path, users: list[str]) -> None:
    """The training sets, as `penchant training-sets` leaves them."""
    folder.mkdir()
    shown, spending = ad_tables(users)
    pq.write_table(shown, folder / "ad_responses.parquet")
    pq.write_table(spending, folder / "campaign_spending.parquet")
    pq.write_table(candidates(spending), folder / "ad_candidates.parquet")


def _times(values: list[datetime]) -> pa.Array:
    return pa.array(values, pa.timestamp("us"))
