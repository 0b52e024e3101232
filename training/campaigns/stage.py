"""The `plan-campaign` stage: which offers to which users at which discount, within a budget."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from penchant.artifacts import Snapshot
from penchant.artifacts.campaign import PLAN, CampaignPlanRecord, PlannedOffer
from penchant.artifacts.record import Interval
from penchant.encryption import parquet as pq
from penchant.errors import NothingToDo, UsageError
from penchant.settings import Settings
from penchant.storage import atomic_directory
from penchant.subjects import Subjects
from training.campaigns.allocation import Allocation, Choices, allocate
from training.campaigns.brief import Brief, read_brief
from training.campaigns.candidates import Candidates, candidates
from training.campaigns.comparison import compare
from training.campaigns.discounts import Elasticity, elasticity, unit_elasticity
from training.campaigns.expected import Expected, Money
from training.campaigns.uplift import ADVERTISED, fit_uplift, tune
from training.data.training_sets import read_training_set
from training.evaluation.metrics.intervals import FloatArray, IntArray
from training.layers.responses.ads import RESPONSES, SPENDING, AdWindows, users

OUTCOMES = {"profit": "spend_after", "sales": "spend_after", "offered_sales": ADVERTISED}
BUDGET_SHARES = (0.25, 0.5, 1.0, 2.0)
DRAWS = 100
POWER = 2.8
"""Standard errors of the smallest effect that is found with a power of 80 % at 5 %."""


@dataclass(frozen=True)
class CampaignReport:
    """``path``: of the Parquet with each user's offers; ``repeated``: it was there already."""

    record: CampaignPlanRecord
    path: Path
    repeated: bool

    def summary(self) -> str:
        record, worth = self.record, self.record.worth
        return (
            f"{'unchanged' if self.repeated else 'planned'} campaign {record.name}: offers to "
            f"{record.users:,} users, {record.held_out:,} held out, expected cost "
            f"{record.cost['mean']:,.0f}, expected {record.goal} {worth['mean']:,.0f} "
            f"[{worth['low']:,.0f}, {worth['high']:,.0f}]: {self.path}"
        )

    def as_dict(self) -> dict[str, Any]:
        return {**self.record.as_dict(), "path": self.path}


def plan_campaign(settings: Settings, snapshot_id: str, path: Path) -> CampaignReport:
    """Write ``insights/<snapshot>/campaigns/<name>/``, once for each brief.

    Raises UsageError for an invalid brief or a name that another brief has, NothingToDo where no
    past campaign can be learned from or none of the offers is expected to add more than it costs,
    DataError where all users, or none, were sent the past campaigns.
    """
    snapshot, brief = Snapshot.checked(settings, snapshot_id), read_brief(path)
    brief.check_dates(snapshot.as_of.date(), path)
    described = brief.model_dump(mode="json")
    folder = CampaignPlanRecord.folder(settings, snapshot.id, brief.name)
    written = CampaignPlanRecord.path(settings, snapshot.id, brief.name)
    if written.exists():
        record = CampaignPlanRecord.read(written)
        if record.brief != described:
            raise UsageError(
                f"{path}: name: campaign {brief.name!r} was planned from another brief",
                f"choose another name, or remove {folder}",
            )
        return CampaignReport(record, folder / PLAN, repeated=True)
    record, table = _planned(settings, snapshot, brief, path)
    with atomic_directory(folder) as staging:
        pq.write_table(table, staging / PLAN)
        record.write(staging / written.name)
    return CampaignReport(record, folder / PLAN, repeated=False)


def _planned(
    settings: Settings, snapshot: Snapshot, brief: Brief, path: Path
) -> tuple[CampaignPlanRecord, pa.Table]:
    outcome, seed = OUTCOMES[brief.goal], settings.seed
    spending = read_training_set(snapshot, SPENDING)
    split = AdWindows.of(read_training_set(snapshot, RESPONSES)).split(spending)
    offered = candidates(snapshot, brief, spending.column_names, path, settings.threads)
    offered = _profiled(settings, offered)
    tuned = tune(split, outcome, seed)
    compared = compare(split, outcome, tuned, seed)
    uplift = fit_uplift(spending, outcome, tuned, seed, DRAWS)
    tables = [offered.of_offer(name, brief, spending.column_names) for name in brief.offers]
    answers = _answers_to_discounts(snapshot, brief, seed)
    expected = Expected.of(brief, uplift, answers, tables, tuned.strongest)
    choices = expected.choices()
    plan, held_U = _within_budget(brief, choices, seed)
    if not plan.chosen_UO.any():
        raise NothingToDo(
            f"{path}: no offer is expected to add more to {brief.goal} than it costs",
            "offer other items, lower contact_cost or the discounts, or raise the budget",
        )
    sent_UO = plan.chosen_UO & ~held_U[:, None]
    money = expected.money(plan, ~held_U)
    record = CampaignPlanRecord(
        name=brief.name,
        snapshot_id=snapshot.id,
        brief=brief.model_dump(mode="json"),
        goal=brief.goal,
        budget=brief.budget,
        starts_on=brief.starts_on,
        ends_on=brief.ends_on,
        users=int(sent_UO.any(axis=1).sum()),
        held_out=int(held_U.sum()),
        cost=_interval(money.cost_RO.sum(axis=1)),
        added=_interval(money.added_RO.sum(axis=1)),
        worth=_interval(expected.worth_R(money)),
        budget_price=plan.price,
        by_budget=_by_budget(brief, choices, seed),
        saturation=tuned.strongest,
        saturation_found=tuned.saturation,
        elasticity=_interval(answers.draws_R) if answers.items else None,
        detectable=_detectable(split.test, outcome, sent_UO, held_U),
        offers={
            name: _offer(brief, offered, plan, name, sent_UO[:, place], money)
            for place, name in enumerate(brief.offers)
        },
        compared_offers=compared.offers,
        compared_users=compared.users,
        compared=compared.values,
    )
    return record, _rows(brief, offered, plan, held_U, *expected.by_user(plan))


def _profiled(settings: Settings, offered: Candidates) -> Candidates:
    """Without users who objected to profiling."""
    subjects = Subjects(settings)
    kept = pa.array([not subjects.excluded(user_id) for user_id in offered.user_ids])
    return Candidates(offered.users.filter(kept), offered.items, offered.bought)


def _answers_to_discounts(snapshot: Snapshot, brief: Brief, seed: int) -> Elasticity:
    if set(brief.discounts) == {brief.usual_discount}:
        return unit_elasticity(DRAWS)
    return elasticity(snapshot, DRAWS, seed)


def _within_budget(brief: Brief, choices: Choices, seed: int) -> tuple[Allocation, np.ndarray]:
    """The plan, and which of its users are held out: at random, so that the others spend the budget
    and both are comparable. A budget for all selected users is lowered until it suffices."""
    budget = brief.budget / (1 - brief.holdout)
    while True:
        plan = allocate(choices, budget, seed)
        held_U = _held_out(plan, brief.holdout, seed)
        cost = plan.at(choices.cost_UOD)[~held_U].sum()
        if cost <= brief.budget:
            return plan, held_U
        budget *= min(brief.budget / cost, 0.999)


def _held_out(plan: Allocation, share: float, seed: int) -> np.ndarray:
    selected = np.flatnonzero(plan.chosen_UO.any(axis=1))
    held_U = np.zeros(len(plan.chosen_UO), bool)
    order = np.random.default_rng(seed).permutation(selected)
    held_U[order[: max(1, round(share * len(order)))]] = True
    return held_U


def _by_budget(brief: Brief, choices: Choices, seed: int) -> dict[str, float]:
    """Worth by share of the budget, before the holdout and without correction for optimism."""
    return {
        f"{share:g}": allocate(choices, share * brief.budget, seed).worth(choices)
        for share in BUDGET_SHARES
    }


def _detectable(test: pa.Table, outcome: str, sent_UO: np.ndarray, held_U: np.ndarray) -> float:
    """From the standard deviation of users' spending within the last campaigns."""
    user_N = users(test)
    spread = float((test[outcome].to_numpy() / np.bincount(user_N)[user_N]).std())
    sent, held = max(int(sent_UO.any(axis=1).sum()), 1), max(int(held_U.sum()), 1)
    return POWER * spread * float(np.sqrt(1 / sent + 1 / held))


def _offer(
    brief: Brief,
    offered: Candidates,
    plan: Allocation,
    name: str,
    sent_U: np.ndarray,
    money: Money,
) -> PlannedOffer:
    place = list(brief.offers).index(name)
    discounts_U: IntArray = plan.discount_UO[sent_U, place]
    return PlannedOffer(
        kind=brief.offers[name].kind,
        items=len(offered.items[name]),
        users=int(sent_U.sum()),
        discounts={
            f"{discount:g}": int((discounts_U == each).sum())
            for each, discount in enumerate(brief.discounts)
        },
        cost=_interval(money.cost_RO[:, place]),
        added=_interval(money.added_RO[:, place]),
    )


def _rows(
    brief: Brief,
    offered: Candidates,
    plan: Allocation,
    held_U: np.ndarray,
    added_UO: FloatArray,
    cost_UO: FloatArray,
) -> pa.Table:
    """A row per selected user and offer, held-out users included."""
    user_R, offer_R = np.nonzero(plan.chosen_UO)
    names, user_ids = list(brief.offers), offered.user_ids
    discount_R = np.array(brief.discounts)[plan.discount_UO[user_R, offer_R]]
    return pa.table(
        {
            "user_id": pa.array([user_ids[user] for user in user_R], pa.string()),
            "offer": pa.array([names[offer] for offer in offer_R], pa.string()),
            "discount": discount_R,
            "sent": ~held_U[user_R],
            "propensity": np.full(len(user_R), 1 - held_U.sum() / len(np.unique(user_R))),
            "added": added_UO[user_R, offer_R],
            "cost": cost_UO[user_R, offer_R],
        }
    )


def _interval(draws_R: FloatArray) -> Interval:
    """The first value, with the 95 % interval of the others."""
    low, high = np.quantile(draws_R[1:], [0.025, 0.975])
    return {"mean": float(draws_R[0]), "low": float(low), "high": float(high)}
