"""Campaign planning: selection of users by uplift against response, chance and what was done.

On a real shop by off-policy evaluation, with estimated propensities; on the simulator, whose
campaigns go to a random half of the users, also against the true effects.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.interests.response_uplift import SIMULATED, SIMULATED_SEED, simulated
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.artifacts.campaign import CampaignPlanRecord
from penchant.ingestion.simulated.campaigns import added_by_campaigns
from penchant.settings import Settings
from training.campaigns.stage import plan_campaign
from training.campaigns.uplift import fit_uplift, tune
from training.data.training_sets import read_training_set
from training.layers.responses.ads import RESPONSES, SPENDING, AdWindows

TITLE = "Campaign planning"
BRIEF: dict[str, Any] = {
    "name": "january",
    "goal": "profit",
    "holdout": 0.1,
    "contact_cost": 0.5,
    "usual_discount": 0.2,
    "offers_per_user": 2,
}
COMPLETE_JOURNEY: dict[str, Any] = {
    "budget": 1000,
    "starts_on": "2018-01-08",
    "ends_on": "2018-02-11",
    "discounts": [0.1, 0.2, 0.3],
    "offers": {
        "cereal": {"kind": "Type A", "category": ["Grocery", "Cold cereal"]},
        "deli": {"kind": "Type B", "category": ["Deli"]},
    },
}
OUTCOME = "advertised_spend_after"


def measure(settings: Settings) -> dict[str, Any]:
    """The live snapshot must be of Complete Journey, with training sets."""
    started = time.process_time()
    planned = _planned(settings, Snapshot.live(settings).id, COMPLETE_JOURNEY)
    seconds = time.process_time() - started
    return {
        "complete_journey": {"record": planned.as_dict(), "cpu_seconds": seconds},
        "simulator": _simulator(settings),
    }


def _planned(settings: Settings, snapshot_id: str, brief: dict[str, Any]) -> CampaignPlanRecord:
    """A plan that leaves nothing in the home."""
    with tempfile.TemporaryDirectory() as folder:
        home, path = Path(folder) / "home", Path(folder) / "brief.yml"
        home.mkdir()
        (home / "snapshots").symlink_to(settings.snapshots.resolve())
        path.write_text(yaml.safe_dump(BRIEF | brief))
        local = settings.model_copy(update={"home": home})
        return plan_campaign(local, snapshot_id, path).record


def _simulator(settings: Settings) -> dict[str, Any]:
    """``truth``: what the ways to select truly add per offer, in money per advertised view."""
    with tempfile.TemporaryDirectory(prefix="penchant-simulated-") as folder:
        snapshot_id = simulated(settings, Path(folder))
        own = settings.model_copy(update={"home": Path(folder), "seed": SIMULATED_SEED})
        snapshot = Snapshot.open(own, snapshot_id)
        first = snapshot.as_of.date().isoformat()
        category = _category(snapshot)
        brief = {
            "budget": 500,
            "goal": "offered_sales",
            "starts_on": first,
            "ends_on": first,
            "discounts": [0.2],
            "offers": {"coupon": {"kind": "coupon", "category": category}},
        }
        record = _planned(own, snapshot_id, brief)
        return {"record": record.as_dict(), "truth": _truth(snapshot)}


def _category(snapshot: Snapshot) -> list[str]:
    """The first category of the catalogue, whose campaigns the simulator makes."""
    from penchant.encryption import parquet as pq

    items = pq.read_table(snapshot.mart("items")).sort_by("item_id").to_pylist()
    return [items[0]["category_1"], items[0]["category_2"]]


def _truth(snapshot: Snapshot) -> dict[str, float]:
    spending = read_training_set(snapshot, SPENDING)
    split = AdWindows.of(read_training_set(snapshot, RESPONSES)).split(spending)
    tuned = tune(split, OUTCOME, 0)
    uplift = fit_uplift(split.train, OUTCOME, tuned, 0, draws=0)
    test = split.test
    matrix_ND = uplift.design.matrix(test)
    user_ids, added = added_by_campaigns(SIMULATED_SEED, **SIMULATED)
    row_of = {user: row for row, user in enumerate(user_ids)}
    pairs = zip(test["ad_id"].to_pylist(), test["user_id"].to_pylist(), strict=True)
    true_N = np.array([added[ad][row_of[user]] for ad, user in pairs])
    true_N = true_N * np.nan_to_num(test["user_statistics__orders_364d"].to_numpy())
    half = len(true_N) // 2
    scores = {
        "uplift": uplift.effects[0].of(matrix_ND),
        "response": uplift.spending[0].of(matrix_ND),
        "the truth": true_N,
    }
    best = {name: np.argsort(-each, kind="stable")[:half] for name, each in scores.items()}
    found = {name: float(true_N[rows].mean() / true_N.mean()) for name, rows in best.items()}
    return found | {"random": 1.0}


def page(figures: dict[str, Any]) -> str:
    journey, simulator = figures["complete_journey"], figures["simulator"]
    plan = CampaignPlanRecord.model_validate(journey["record"])
    elasticity = plan.elasticity
    assert elasticity is not None
    truth = ", ".join(f"{name} {value:.2f}" for name, value in simulator["truth"].items())
    worth = ", ".join(f"{value:,.0f} with {share}" for share, value in plan.by_budget.items())
    return "\n\n".join(
        [
            f"**complete_journey**: two offers for {plan.starts_on} to {plan.ends_on}, budget "
            f"{plan.budget:,.0f}, {journey['cpu_seconds']:.0f} CPU seconds: "
            f"{plan.users:,} users are sent {sum(o.users for o in plan.offers.values()):,} offers, "
            f"{plan.held_out:,} are held out; expected cost {interval(plan.cost, 0)}, added "
            f"spending {interval(plan.added, 0)}, profit {interval(plan.worth, 0)}. The price "
            f"elasticity of demand is {interval(elasticity, 2)}. Saturation: the best estimate is "
            f"that {plan.saturation_found:.0%} of an offer's effect remains beside another one; "
            f"{plan.saturation:.0%} is not excluded and planned with. Expected profit by share of "
            f"the budget: {worth}. Held-out users show an effect of at least "
            f"{plan.detectable:.2f} a user.",
            "Users for the campaigns of the test window, selected by models of the campaigns "
            "before, by off-policy evaluation with estimated propensities: spending added per "
            "offer sent, and what selection by uplift adds more.",
            _compared(plan),
            "**simulator**, campaigns sent to a random half with a logged propensity: spending on "
            "the offered items.",
            _compared(CampaignPlanRecord.model_validate(simulator["record"])),
            "The simulator's true effect on the better half of test offers, over the mean effect, "
            f"by the order of: {truth}.",
        ]
    )


def _compared(plan: CampaignPlanRecord) -> str:
    rows = [
        [
            name,
            interval(each.added, 2, "+"),
            "" if name == "uplift" else interval(each.difference, 2, "+"),
        ]
        for name, each in plan.compared.items()
    ]
    head = [f"{plan.compared_offers:,} offers to users selected by", "added", "uplift adds more"]
    return grid(head, rows)
