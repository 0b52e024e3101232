"""Campaign plans in a shop whose campaigns have a known effect."""

import itertools
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from planted_campaigns import BRIEF, ELASTICITY, SNAPSHOT, demand_table, write_campaigns

from penchant.api.app import create_app
from penchant.artifacts import Snapshot, SnapshotDescription
from penchant.artifacts.campaign import PLAN, CampaignPlanRecord
from penchant.errors import DataError, NothingToDo, UsageError
from penchant.ingestion.predicted.campaigns import planned_folders, planned_offers
from penchant.insights.campaigns.published import published_campaign
from penchant.settings import Settings
from penchant.subjects import Subjects
from training.campaigns import allocation, stage, uplift
from training.campaigns.allocation import Choices, allocate
from training.campaigns.briefs import briefs_folder, plan_campaigns
from training.campaigns.discounts import elasticity
from training.campaigns.outcome import campaign_outcome
from training.campaigns.stage import plan_campaign
from training.layers.responses.hashing import HashingConfig


def brief(folder: Path, *changes: tuple[str, str]) -> Path:
    """The planted brief with replaced lines."""
    text = BRIEF
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "brief.yml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module", autouse=True)
def small_models() -> Iterator[None]:
    """A matrix of fewer columns and fewer resamples, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uplift, "HASHING", HashingConfig(buckets=64))
        patch.setattr(stage, "DRAWS", 20)
        yield


@pytest.fixture(scope="module")
def shop_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict[str, float]]:
    """For tests that only read: a planned campaign, and what campaigns truly add by user."""
    folder = tmp_path_factory.mktemp("campaigns")
    settings = Settings(_env_file=None, home=folder / "home", threads=1)
    truth = write_campaigns(settings)
    plan_campaign(settings, SNAPSHOT, brief(folder))
    return settings, truth


@pytest.fixture
def shop(settings: Settings, shop_once: tuple[Settings, dict[str, float]]) -> Settings:
    """For tests that write."""
    shutil.copytree(shop_once[0].home, settings.home)
    return settings


@pytest.fixture(scope="module")
def record(shop_once: tuple[Settings, dict[str, float]]) -> CampaignPlanRecord:
    return CampaignPlanRecord.read(CampaignPlanRecord.path(shop_once[0], SNAPSHOT, "spring"))


def test_offers_go_to_users_who_spend_more_because_of_them(
    shop_once: tuple[Settings, dict[str, float]], record: CampaignPlanRecord
) -> None:
    settings, truth = shop_once
    plan = pq.read_table(CampaignPlanRecord.folder(settings, SNAPSHOT, "spring") / PLAN)
    rows = plan.to_pylist()
    selected = np.mean([truth[row["user_id"]] for row in rows])
    assert selected > np.mean(list(truth.values())) + 2
    sent = [row for row in rows if row["sent"]]
    assert sum(row["cost"] for row in sent) == pytest.approx(record.cost["mean"])
    assert 0.8 * 150 < record.cost["mean"] <= 150
    assert record.users == len(sent) and record.held_out == len(rows) - len(sent)
    assert record.held_out / len(rows) == pytest.approx(0.2, abs=0.03)
    assert {row["propensity"] for row in rows} == {1 - record.held_out / len(rows)}
    true = sum(truth[row["user_id"]] for row in sent if row["discount"] == 0.2)
    promised = sum(row["added"] for row in sent if row["discount"] == 0.2)
    assert promised == pytest.approx(true, rel=0.35)
    assert record.added["low"] < record.added["mean"] < record.added["high"]
    assert record.detectable > 0


def test_uplift_adds_more_than_chance_on_campaigns_that_no_model_has_seen(
    record: CampaignPlanRecord,
) -> None:
    assert record.compared["random"].difference["low"] > 0
    assert record.compared["what was done"].difference["low"] > 0
    assert record.compared["uplift"].added["mean"] == pytest.approx(8.2, abs=2.0)


def test_worth_grows_less_and_less_with_the_budget(record: CampaignPlanRecord) -> None:
    worth = list(record.by_budget.values())
    assert worth == sorted(worth) and worth[1] - worth[0] < worth[0]


def test_elasticity_is_found(shop: Settings) -> None:
    found = elasticity(Snapshot.live(shop), 50, 0)
    low, high = np.quantile(found.draws_R, [0.025, 0.975])
    assert low < ELASTICITY < high and high - low < 0.5
    assert found.times(0.2, 0.2).tolist() == pytest.approx([1.0] * 51)
    assert found.times(0.1, 0.2)[0] < 0.5 < 1.0 < found.times(0.3, 0.2)[0]


def test_discounts_need_prices_that_changed(shop: Settings, tmp_path: Path) -> None:
    pq.write_table(demand_table(varied=False), Snapshot.live(shop).mart("item_demand"))
    other = ("name: spring", "name: other")
    with pytest.raises(DataError, match="the price of 0 items changed"):
        plan_campaign(shop, SNAPSHOT, brief(tmp_path, other))
    usual = brief(tmp_path, other, ("[0.1, 0.2]", "[0.2]"), ("budget: 150", "budget: 40"))
    assert plan_campaign(shop, SNAPSHOT, usual).record.elasticity is None


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("holdout: 0.2", "holdout: 0", "holdout: Input should be greater than 0"),
        ("holdout: 0.2\n", "", "holdout: Field required"),
        ("budget: 150", "budget: 0", "budget: Input should be greater than 0"),
        ("budget: 150", "budget: -1", "budget: Input should be greater than 0"),
        ("budget: 150", "budget: .inf", "budget: Input should be a finite number"),
        ("ends_on: 2024-04-17", "ends_on: 2024-04-07", "ends_on: 2024-04-07 is 0 days"),
        ("starts_on: 2024-04-08", "starts_on: 2024-03-31", "is before 2024-04-01"),
        ("category: [Tea]", "category: [Coffee]", "offers.tea: no item of the snapshot"),
        ("items: [i1]", "items: [i1], category: [Tea]", "either items or a category"),
        ("discounts: [0.1, 0.2]", "discounts: [1.5]", "discounts.0: Input should be less than 1"),
        ("name: spring", "name: ../up", "name: String should match"),
        ("goal: sales", "goal: fame", "goal: Input should be"),
        ("holdout: 0.2", "holdout: [", "not YAML"),
    ],
)
def test_invalid_brief_is_refused(
    shop: Settings, tmp_path: Path, old: str, new: str, cause: str
) -> None:
    shutil.rmtree(CampaignPlanRecord.folder(shop, SNAPSHOT, "spring"))
    with pytest.raises(UsageError) as refused:
        plan_campaign(shop, SNAPSHOT, brief(tmp_path, (old, new)))
    assert cause in refused.value.cause and "brief.yml" in refused.value.cause


def test_campaigns_sent_to_everybody_are_refused(shop: Settings, tmp_path: Path) -> None:
    path = Snapshot.live(shop).training_set("campaign_spending")
    spending = pq.read_table(path)
    everybody = spending.set_column(
        spending.column_names.index("sent"), "sent", [[True] * len(spending)]
    )
    pq.write_table(everybody, path)
    with pytest.raises(DataError, match="all of the users were sent"):
        plan_campaign(shop, SNAPSHOT, brief(tmp_path, ("name: spring", "name: other")))


def test_offers_that_cost_more_than_they_add_are_nothing_to_do(
    shop: Settings, tmp_path: Path
) -> None:
    dear = (("name: spring", "name: dear"), ("goal: sales", "goal: profit"))
    path = brief(tmp_path, *dear, ("contact_cost: 0.5", "contact_cost: 1000"))
    with pytest.raises(NothingToDo, match="more to profit than it costs"):
        plan_campaign(shop, SNAPSHOT, path)


def test_a_campaign_is_planned_once(shop: Settings, tmp_path: Path) -> None:
    assert plan_campaign(shop, SNAPSHOT, brief(tmp_path)).repeated
    with pytest.raises(UsageError, match="'spring' was planned from another brief"):
        plan_campaign(shop, SNAPSHOT, brief(tmp_path, ("budget: 150", "budget: 151")))


def choices(saturation: float = 0.5, net: bool = False) -> Choices:
    random = np.random.default_rng(1)
    worth_UOD = random.uniform(0, 10, (4, 2, 2))
    return Choices(worth_UOD, random.uniform(1, 3, (4, 2, 2)), saturation, 2, net)


@pytest.mark.parametrize("net", [False, True])
def test_allocation_is_the_best_one_but_for_a_user(net: bool) -> None:
    asked, budget = choices(net=net), 6.0
    best, places = 0.0, [-1, 0, 1]
    for discounts in itertools.product(places, repeat=8):
        discount_UO = np.array(discounts).reshape(4, 2)
        first_UO = np.where(discount_UO >= 0, 0, -1)
        plan = allocation.Allocation(discount_UO, first_UO, 0.0)
        worth_UO = plan.at(asked.worth_UOD)
        second = np.sort(worth_UO, axis=1)[:, 0] * (discount_UO >= 0).all(axis=1)
        cost = plan.at(asked.cost_UOD).sum()
        worth = worth_UO.sum() - 0.5 * second.sum() - net * cost
        best = max(best, worth if cost <= budget else 0.0)
    found = allocate(asked, budget, seed=0)
    assert found.at(asked.cost_UOD).sum() <= budget
    assert best - 4 <= found.worth(asked) <= best, "at most one user's offers are missing"


def test_saturated_users_get_no_second_offer() -> None:
    plan = allocate(choices(saturation=1e-9, net=True), 1e6, seed=0)
    assert (plan.chosen_UO.sum(axis=1) == 1).all()


def test_equal_users_share_the_budget() -> None:
    equal = Choices(np.ones((100, 1, 1)), np.ones((100, 1, 1)), 1.0, 1, False)
    assert allocate(equal, 30.5, seed=0).chosen_UO.sum() == 30


def test_api_lists_plans_and_offers_without_held_out_users(
    shop: Settings, record: CampaignPlanRecord
) -> None:
    rows = pq.read_table(CampaignPlanRecord.folder(shop, SNAPSHOT, "spring") / PLAN).to_pylist()
    sent = sorted(row["user_id"] for row in rows if row["sent"])
    Subjects(shop).request("object", sent[0], datetime(2024, 4, 2))
    client = TestClient(create_app(shop))
    listed = client.get("/v1/campaigns").json()["campaigns"]
    assert [each["name"] for each in listed] == ["spring"]
    assert listed[0]["worth"]["mean"] == pytest.approx(record.worth["mean"])
    query = {"campaign": "spring", "k": 1000}
    offers = client.get("/v1/campaign_users", params=query).json()["offers"]
    assert sorted(each["user_id"] for each in offers) == sent[1:]
    unknown = client.get("/v1/campaign_users", params={"campaign": "none"})
    assert "'none' is not planned" in unknown.json()["detail"]
    held = next(row["user_id"] for row in rows if not row["sent"])
    assert published_campaign(shop, "spring").of_user(held)


def test_users_who_object_are_not_planned_for(shop: Settings, tmp_path: Path) -> None:
    rows = pq.read_table(CampaignPlanRecord.folder(shop, SNAPSHOT, "spring") / PLAN).to_pylist()
    first = rows[0]["user_id"]
    Subjects(shop).request("object", first, datetime(2024, 4, 2))
    report = plan_campaign(shop, SNAPSHOT, brief(tmp_path, ("name: spring", "name: other")))
    assert first not in pq.read_table(report.path)["user_id"].to_pylist()


def test_outcome_is_the_difference_of_sent_and_held_out_users(
    shop: Settings, record: CampaignPlanRecord
) -> None:
    rows = pq.read_table(CampaignPlanRecord.folder(shop, SNAPSHOT, "spring") / PLAN).to_pylist()
    with pytest.raises(NothingToDo, match="runs until 2024-04-17"):
        campaign_outcome(shop, "spring", SNAPSHOT)
    ended = Snapshot.live(shop)
    SnapshotDescription(id=SNAPSHOT, as_of=datetime(2024, 5, 1)).write(ended.path / "snapshot.json")
    users = sorted({row["user_id"] for row in rows})
    sent = {row["user_id"] for row in rows if row["sent"]}
    bought = {
        "user_id": users * 2,
        "item_id": ["i0"] * len(users) * 2,
        "event_type": ["purchase"] * len(users) * 2,
        # the last day counts, the day after does not
        "event_at": pa.array(
            [datetime(2024, 4, 17, 23)] * len(users) + [datetime(2024, 4, 18)] * len(users),
            pa.timestamp("us"),
        ),
        "value": [7.0 if user in sent else 5.0 for user in users] + [99.0] * len(users),
    }
    pq.write_table(pa.table(bought), ended.mart("events"))
    found = campaign_outcome(shop, "spring", SNAPSHOT)
    assert found.added_per_user == {"mean": 2.0, "low": 2.0, "high": 2.0}
    assert (found.users, found.held_out) == (record.users, record.held_out)
    assert found.added["mean"] == 2.0 * record.users and "planned" in found.summary()


def test_console_shows_the_plan(shop_once: tuple[Settings, dict[str, float]]) -> None:
    page = TestClient(create_app(shop_once[0])).get("/console/insights").text
    assert "Campaign spring" in page and "Expected sales of spring by budget" in page
    assert "what was done" in page


def test_plans_land_with_held_out_users(shop: Settings) -> None:
    [(snapshot_id, folder)] = planned_folders(shop)
    table = planned_offers(folder, datetime(2024, 4, 1))
    assert snapshot_id == SNAPSHOT and set(table["campaign"].to_pylist()) == {"spring"}
    assert set(table["sent"].to_pylist()) == {True, False}
    assert table["starts_on"][0].as_py() == datetime(2024, 4, 8)


def test_briefs_in_the_home_are_planned_and_wrong_ones_named(shop: Settings) -> None:
    with pytest.raises(NothingToDo, match="no brief to plan"):
        plan_campaigns(shop, SNAPSHOT)
    folder = briefs_folder(shop)
    folder.mkdir()
    (folder / "a.yml").write_text("name: [")
    (folder / "b.yml").write_text(BRIEF)
    with pytest.raises(UsageError, match=r"a\.yml: not YAML"):
        plan_campaigns(shop, SNAPSHOT)
    (folder / "a.yml").write_text(BRIEF.replace("2024-0", "2023-0"))
    report = plan_campaigns(shop, SNAPSHOT)
    assert report.planned == ("spring",) and report.left_out["a.yml"].startswith("began on 2023")
    assert "left out 1; a.yml: began on 2023" in report.summary()
