"""The `plan-ads` stage: allocates campaigns to users by predicted responses."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penchant.ads.allocation import Plan, allocate
from penchant.ads.budgets import Budgets, read_budgets
from penchant.ads.campaigns import Campaigns, Floats
from penchant.artifacts import AdPlanRecord, ModelSelection, PlannedCampaign, Snapshot
from penchant.encryption import parquet as pq
from penchant.encryption.duckdb_connection import connect
from penchant.errors import DataError, NothingToDo, UsageError
from penchant.settings import Settings

FAMILY = "logistic_response"
UPCOMING = "upcoming.parquet"
HOURS, CURVE_DAYS = 24, 28
SMOOTHING = 10.0  # impressions that are added to each hour of the traffic curve


@dataclass(frozen=True)
class PlanReport:
    """``path``: of the Parquet with each user's planned impressions."""

    plan: AdPlanRecord
    path: Path

    def summary(self) -> str:
        campaigns, plan = self.plan.campaigns, self.plan
        shown = sum(campaign.impressions for campaign in campaigns.values())
        return (
            f"planned {shown:,.0f} impressions of {len(campaigns)} campaigns for "
            f"{plan.users:,} users, worth {plan.worth:,.0f}: {self.path}"
        )

    def as_dict(self) -> dict[str, Any]:
        return {**self.plan.as_dict(), "path": self.path}


def plan_ads(settings: Settings, snapshot_id: str, budgets_file: Path) -> PlanReport:
    """Plan the day after a snapshot; writes ``ads/<snapshot>/plan.parquet`` and ``plan.json``.

    Recommendations of the last day reduce a user's attention. Raises NothingToDo where no campaign
    runs, UsageError for a budget of a campaign that doesn't run and before the family is trained.
    """
    snapshot, budgets = Snapshot.open(settings, snapshot_id), read_budgets(budgets_file)
    run_id, upcoming = _predicted(settings, snapshot)
    running = pc.unique(upcoming["ad_id"]).to_pylist()
    if not running:
        raise NothingToDo(
            f"no campaign runs at {snapshot.as_of:%Y-%m-%d}", "plan ads once the next one starts"
        )
    gone = [name for name in budgets.campaigns if name not in running]
    if gone:
        raise UsageError(
            f"{budgets_file}: {', '.join(gone)} does not run at {snapshot.as_of:%Y-%m-%d}",
            f"use running campaigns: {', '.join(sorted(running))}",
        )
    campaigns = budgets.of(tuple(budgets.campaigns))
    users, probability_UC = matrix(upcoming, campaigns)
    attention_U = _left_for_ads(snapshot, users, budgets)
    plan = allocate(probability_UC, campaigns, attention_U)
    folder = AdPlanRecord.folder(settings, snapshot.id)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(_rows(users, campaigns, probability_UC, plan), folder / "plan.parquet")
    record = AdPlanRecord(
        snapshot_id=snapshot.id,
        run_id=run_id,
        users=len(users),
        worth=plan.worth,
        campaigns=_campaigns(campaigns, probability_UC, plan),
        attention=budgets.attention,
        ad_attention=budgets.ad_attention,
        curve=_curve(snapshot),
    )
    record.write(AdPlanRecord.path(settings, snapshot.id))
    return PlanReport(record, folder / "plan.parquet")


def _predicted(settings: Settings, snapshot: Snapshot) -> tuple[str, pa.Table]:
    runs = settings.runs / snapshot.id
    leaderboard = ModelSelection.of(settings, snapshot.id).leaderboard
    found = [row.run_id for row in leaderboard if row.family == FAMILY]
    if not found:
        raise UsageError(
            f"{FAMILY} has no run on snapshot {snapshot.id}",
            f"run `penchant train --family {FAMILY} --snapshot {snapshot.id}`, "
            "then `penchant select-models`",
        )
    return found[0], pq.read_table(runs / found[0] / UPCOMING)


def matrix(upcoming: pa.Table, campaigns: Campaigns) -> tuple[npt.NDArray[np.object_], Floats]:
    """The users, sorted, and probability_UC. Raises DataError where a pair is missing."""
    wanted = upcoming.filter(pc.is_in(upcoming["ad_id"], value_set=pa.array(campaigns.ids)))
    users_U, user_N = np.unique(
        np.array(wanted["user_id"].to_pylist(), dtype=object), return_inverse=True
    )
    place = {name: column for column, name in enumerate(campaigns.ids)}
    campaign_N = [place[name] for name in wanted["ad_id"].to_pylist()]
    probability_UC = np.full((len(users_U), len(campaigns.ids)), np.nan)
    probability_UC[user_N, campaign_N] = wanted["probability"].to_numpy()
    missing = int(np.isnan(probability_UC).sum())
    if missing:
        raise DataError(
            f"{missing} users have no probability for one of the campaigns",
            f"train {FAMILY} again on this snapshot",
        )
    return users_U, probability_UC


def _left_for_ads(snapshot: Snapshot, users_U: npt.NDArray[np.object_], budgets: Budgets) -> Floats:
    """Whole ads that each user's attention allows."""
    day_before = pa.scalar(snapshot.as_of - timedelta(days=1), pa.timestamp("us"))
    recent = (pc.field("shown_at") >= day_before) & pc.field("item_id").is_valid()
    shown = pq.read_table(snapshot.mart("impressions"), columns=["user_id"], filters=recent)
    counts = {row["values"]: row["counts"] for row in pc.value_counts(shown["user_id"]).to_pylist()}
    taken_U = np.array([counts.get(user, 0) for user in users_U], dtype=float)
    return np.floor(np.maximum(0.0, budgets.attention - taken_U) / budgets.ad_attention)


def _curve(snapshot: Snapshot) -> tuple[float, ...]:
    """The smoothed cumulative share of the last four weeks' impressions by hour, UTC."""
    with connect(snapshot.path) as connection:
        shown = connection.execute(
            f"SELECT hour(shown_at) AS hour FROM {snapshot.counted('impressions')} "
            "WHERE shown_at >= $since",
            {"since": snapshot.as_of - timedelta(days=CURVE_DAYS)},
        ).fetchnumpy()
    counts = np.bincount(shown["hour"], minlength=HOURS) + SMOOTHING
    cumulative = np.cumsum(counts) / counts.sum()
    return tuple(float(share) for share in cumulative)


def _rows(
    users_U: npt.NDArray[np.object_], campaigns: Campaigns, probability_UC: Floats, plan: Plan
) -> pa.Table:
    """Each user and campaign with impressions; a fraction where a budget ends within one."""
    rows, columns = np.nonzero(plan.shown_UC > 1e-9)
    return pa.table(
        {
            "user_id": pa.array(users_U[rows].tolist(), pa.string()),
            "ad_id": pa.array([campaigns.ids[column] for column in columns], pa.string()),
            "impressions": plan.shown_UC[rows, columns],
            "probability": probability_UC[rows, columns],
        }
    )


def _campaigns(
    campaigns: Campaigns, probability_UC: Floats, plan: Plan
) -> dict[str, PlannedCampaign]:
    shown_C = plan.shown_UC.sum(axis=0)
    responses_C = (plan.shown_UC * probability_UC).sum(axis=0)
    return {
        name: PlannedCampaign(
            impressions=float(shown_C[place]),
            spent=float(shown_C[place] * campaigns.price_C[place]),
            budget=float(campaigns.budget_C[place]),
            price=float(campaigns.price_C[place]),
            value=float(campaigns.value_C[place]),
            cap=float(campaigns.cap_C[place]),
            responses=float(responses_C[place]),
            budget_price=float(plan.budget_prices_C[place]),
        )
        for place, name in enumerate(campaigns.ids)
    }
