"""The stage around a plan: what it reads, what it leaves, and what it refuses."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from records import model_selection

from penchant.ads.stage import plan_ads
from penchant.artifacts import AdPlanRecord, LeaderboardRow, ModelSelection, SnapshotDescription
from penchant.errors import DataError, NothingToDo, UsageError
from penchant.serving.advertising.plan import AdPlan
from penchant.settings import Settings

SNAPSHOT, RUN = "s-20240401-0123456789ab", "logistic_response-00000000000a"
USERS = [f"u{number:02}" for number in range(20)]
BUDGETS = """
attention: 12
campaigns:
  "c1": {budget: 8, price: 1, value: 10, cap: 1}
  "c2": {budget: 30, price: 2, value: 5, cap: 2}
"""


@pytest.fixture
def predicted(settings: Settings, tmp_path: Path) -> tuple[Settings, Path]:
    """A snapshot in which u00 was shown twelve items, a run that predicts, and budgets."""
    marts = settings.snapshots / SNAPSHOT / "marts"
    marts.mkdir(parents=True)
    description = SnapshotDescription(id=SNAPSHOT, as_of=datetime(2024, 4, 1))
    description.write(marts.parent / "snapshot.json")
    shown = {
        "user_id": ["u00"] * 12,
        "item_id": ["i1"] * 12,
        "shown_at": pa.array([datetime(2024, 3, 31, 12)] * 12, pa.timestamp("us")),
    }
    pq.write_table(pa.table(shown), marts / "impressions.parquet")
    row = LeaderboardRow(
        family="logistic_response",
        run_id=RUN,
        capabilities=(),
        metrics={},
        validation_ndcg_at_10=None,
    )
    selection = model_selection(leaderboard=(row,))
    selection.write(ModelSelection.path(settings, SNAPSHOT))
    write_upcoming(settings, ["c1", "c2"])
    (tmp_path / "budgets.yml").write_text(BUDGETS)
    return settings, tmp_path / "budgets.yml"


def write_upcoming(settings: Settings, campaigns: list[str], users: list[str] = USERS) -> None:
    run = settings.runs / SNAPSHOT / RUN
    run.mkdir(parents=True, exist_ok=True)
    probability = np.linspace(0.5, 0.1, len(users) * len(campaigns))
    rows = {
        "user_id": pa.array(users * len(campaigns), pa.string()),
        "ad_id": pa.array([ad for ad in campaigns for _ in users], pa.string()),
        "probability": probability,
    }
    pq.write_table(pa.table(rows), run / "upcoming.parquet")


def test_plan_respects_budgets_caps_and_attention(predicted: tuple[Settings, Path]) -> None:
    settings, budgets = predicted
    report = plan_ads(settings, SNAPSHOT, budgets)
    plan = pq.read_table(report.path).to_pandas()
    assert report.plan.campaigns["c1"].spent <= 8 and report.plan.campaigns["c2"].spent <= 30
    assert "u00" not in set(plan["user_id"]), "what it was recommended took all its attention"
    assert plan.groupby("user_id")["impressions"].sum().max() <= 12 / 4
    assert (plan["impressions"] <= plan["ad_id"].map({"c1": 1, "c2": 2})).all()
    best = set(plan[plan["ad_id"] == "c1"]["user_id"])
    assert best == {f"u{number:02}" for number in range(1, 9)}
    assert AdPlanRecord.read(AdPlanRecord.path(settings, SNAPSHOT)) == report.plan


def test_serving_reads_the_plan(predicted: tuple[Settings, Path]) -> None:
    settings, budgets = predicted
    report = plan_ads(settings, SNAPSHOT, budgets)
    plan = AdPlan.open(settings, SNAPSHOT)
    assert (plan.run_id, plan.campaigns.ids) == (RUN, ("c1", "c2"))
    assert [plan.campaigns.cap_C.tolist(), plan.campaigns.price_C.tolist()] == [[1, 2], [1, 2]]
    planned = sum(plan.of(user)[0][0] for user in USERS)
    assert planned == round(report.plan.campaigns["c1"].impressions)
    assert not plan.of("u00")[0].any() and not plan.of("nobody")[0].any()
    in_an_hour_M = np.diff(plan.curve_M, prepend=0.0)
    assert in_an_hour_M.argmax() == 12 and plan.curve_M[-1] == pytest.approx(1.0)


def test_nothing_to_plan_without_a_running_campaign(predicted: tuple[Settings, Path]) -> None:
    settings, budgets = predicted
    write_upcoming(settings, [])
    with pytest.raises(NothingToDo, match="no campaign runs at 2024-04-01"):
        plan_ads(settings, SNAPSHOT, budgets)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("campaigns: {c9: {budget: 1, price: 1, value: 1, cap: 1}}", "c9 does not run"),
        ("campaigns: {c1: {budget: -1, price: 1, value: 1, cap: 1}}", "budget"),
        ("campaigns: {c1: {budget: 1, price: 0, value: 1, cap: 1}}", "price"),
        ("campaigns: {}", "campaigns"),
        ("[", "invalid budgets"),
    ],
)
def test_rejects_invalid_budgets(predicted: tuple[Settings, Path], text: str, named: str) -> None:
    settings, budgets = predicted
    budgets.write_text(text)
    with pytest.raises(UsageError, match=named):
        plan_ads(settings, SNAPSHOT, budgets)


def test_rejects_planning_before_training(predicted: tuple[Settings, Path]) -> None:
    settings, budgets = predicted
    model_selection().write(ModelSelection.path(settings, SNAPSHOT))
    with pytest.raises(UsageError, match="logistic_response has no run"):
        plan_ads(settings, SNAPSHOT, budgets)


def test_rejects_a_user_without_a_prediction(predicted: tuple[Settings, Path]) -> None:
    settings, budgets = predicted
    path = settings.runs / SNAPSHOT / RUN / "upcoming.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(DataError, match="1 users have no probability"):
        plan_ads(settings, SNAPSHOT, budgets)
