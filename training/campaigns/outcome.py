"""What a campaign added: the spending of users who were sent it less that of held-out users.

Both were selected by the same plan and separated at random, so no model and no assumption is
needed. Intervals are over users.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from penchant.artifacts import Snapshot
from penchant.artifacts.campaign import PLAN, CampaignPlanRecord
from penchant.artifacts.record import Interval
from penchant.encryption import parquet as pq
from penchant.encryption.duckdb_connection import connect
from penchant.errors import DataError, NothingToDo
from penchant.settings import Settings
from training.campaigns.brief import Brief
from training.campaigns.candidates import items_of
from training.evaluation.metrics.intervals import FloatArray

RESAMPLES = 1000


@dataclass(frozen=True)
class CampaignOutcome:
    """Money: ``added`` spending per user who was sent something, and in total; ``promised`` by the
    plan in total."""

    name: str
    users: int
    held_out: int
    added_per_user: Interval
    added: Interval
    promised: Interval

    def summary(self) -> str:
        each, total = self.added_per_user, self.added
        return (
            f"campaign {self.name} added {each['mean']:,.2f} [{each['low']:,.2f}, "
            f"{each['high']:,.2f}] to the spending of each of {self.users:,} users, compared with "
            f"{self.held_out:,} held out: {total['mean']:,.0f} [{total['low']:,.0f}, "
            f"{total['high']:,.0f}], planned {self.promised['mean']:,.0f}"
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def campaign_outcome(settings: Settings, name: str, snapshot_id: str) -> CampaignOutcome:
    """Raises UnknownId for a campaign that is not planned, NothingToDo for one that had not ended
    at the snapshot's end, DataError with less than two users on either side.
    """
    path = CampaignPlanRecord.path_of(settings, name)
    record, snapshot = CampaignPlanRecord.read(path), Snapshot.checked(settings, snapshot_id)
    if snapshot.as_of.date() <= record.ends_on:
        raise NothingToDo(
            f"campaign {name} runs until {record.ends_on}, snapshot {snapshot.id} ends at "
            f"{snapshot.as_of:%Y-%m-%d}",
            "evaluate it on a snapshot that ends later",
        )
    plan = pq.read_table(path.parent / PLAN, columns=["user_id", "sent"]).to_pylist()
    spent = _spent(settings, snapshot, Brief.model_validate(record.brief))
    users = {
        sent: {row["user_id"] for row in plan if row["sent"] == sent} for sent in (True, False)
    }
    sent_N, held_N = (
        np.array([spent.get(user, 0.0) for user in sorted(users[sent])]) for sent in (True, False)
    )
    if min(len(sent_N), len(held_N)) < 2:
        raise DataError(
            f"campaign {name}: {len(sent_N)} users were sent something and {len(held_N)} held out, "
            "a comparison needs two of each",
            "plan with a larger budget or holdout",
        )
    draws_R = _differences(sent_N, held_N, settings.seed)
    per_user = _interval(float(sent_N.mean() - held_N.mean()), draws_R)
    total = {key: value * len(sent_N) for key, value in per_user.items()}
    return CampaignOutcome(name, len(sent_N), len(held_N), per_user, total, record.added)


def _spent(settings: Settings, snapshot: Snapshot, brief: Brief) -> dict[str, float]:
    """Money of each user while the campaign ran; for the goal ``offered_sales`` on its items."""
    with connect(snapshot.path, config={"threads": settings.threads}) as connection:
        offered: set[str] = set()
        for name, offer in brief.offers.items():
            offered.update(items_of(connection, snapshot, offer, f"offers.{name}"))
        of_offers = "AND list_contains($items, item_id) " if brief.goal == "offered_sales" else ""
        rows = connection.execute(
            "SELECT user_id, sum(value) FROM read_parquet($events) WHERE event_type = 'purchase' "
            f"AND event_at >= $begins::TIMESTAMP AND event_at < $ends::TIMESTAMP {of_offers}"
            "GROUP BY user_id",
            {
                "events": str(snapshot.mart("events")),
                "begins": brief.starts_on,
                "ends": brief.ends_on + timedelta(days=1),
                **({"items": sorted(offered)} if of_offers else {}),
            },
        ).fetchall()
    return {user: float(value or 0) for user, value in rows}


def _differences(sent_N: FloatArray, held_N: FloatArray, seed: int) -> FloatArray:
    """Of the means of users drawn with replacement, by resample."""
    random = np.random.default_rng(seed)
    means = [
        [random.choice(each_N, len(each_N)).mean() for _ in range(RESAMPLES)]
        for each_N in (sent_N, held_N)
    ]
    return np.array(means[0]) - np.array(means[1])


def _interval(mean: float, draws_R: FloatArray) -> Interval:
    low, high = np.quantile(draws_R, [0.025, 0.975])
    return {"mean": mean, "low": float(low), "high": float(high)}
