"""The plan of a campaign."""

from datetime import date
from pathlib import Path
from typing import Any

from penchant.artifacts.record import Interval, Part, Record
from penchant.errors import UnknownId
from penchant.settings import Settings

PLAN = "plan.parquet"


class PlannedOffer(Part):
    """``users`` are sent the offer, ``discounts`` says how many of them at which. Money: expected
    ``cost`` of contacts and discounts, ``added`` spending."""

    kind: str
    items: int
    users: int
    discounts: dict[str, int]
    cost: Interval
    added: Interval


class PolicyValue(Part):
    """A way to select users for past campaigns, by off-policy evaluation: money ``added`` per offer
    sent, and ``difference``: what selection by uplift added more."""

    added: Interval
    difference: Interval


class CampaignPlanRecord(Record):
    """``plan.json``; ``plan.parquet`` beside it has a row per selected user and offer.

    ``users`` were sent something, ``held_out`` were selected too and get nothing. ``worth``: what
    the goal counts, in money: ``added`` spending, or for the goal profit what remains of it after
    cost of goods, contacts and discounts. ``budget_price``: worth of one more unit of budget;
    ``by_budget``: worth by share of the budget. ``saturation``: share of an offer's effect that
    remains beside another one, as planned; ``saturation_found``: the best estimate. ``elasticity``:
    None for a plan with the usual discount alone. ``detectable``: the smallest added spending per
    user that the comparison with held-out users finds with a power of 80 %. ``compared``: ways to
    select users for ``compared_offers`` of campaigns that the evaluated models had not seen.
    """

    REMEDY = "run `penchant plan-campaign` again"

    name: str
    snapshot_id: str
    brief: dict[str, Any]
    goal: str
    budget: float
    starts_on: date
    ends_on: date
    users: int
    held_out: int
    cost: Interval
    added: Interval
    worth: Interval
    budget_price: float
    by_budget: dict[str, float]
    saturation: float
    saturation_found: float
    elasticity: Interval | None
    detectable: float
    offers: dict[str, PlannedOffer]
    compared_offers: int
    compared_users: int
    compared: dict[str, PolicyValue]

    @staticmethod
    def folder(settings: Settings, snapshot_id: str, name: str) -> Path:
        return settings.home / "insights" / snapshot_id / "campaigns" / name

    @classmethod
    def path(cls, settings: Settings, snapshot_id: str, name: str) -> Path:
        return cls.folder(settings, snapshot_id, name) / "plan.json"

    @classmethod
    def planned(cls, settings: Settings) -> dict[str, Path]:
        """The path of each campaign's newest plan, by name."""
        found = sorted((settings.home / "insights").glob("s-*/campaigns/*/plan.json"))
        return {path.parent.name: path for path in found}

    @classmethod
    def path_of(cls, settings: Settings, name: str) -> Path:
        """Of its newest plan. Raises UnknownId for a campaign that is not planned."""
        planned = cls.planned(settings)
        if name not in planned:
            raise UnknownId(
                f"campaign {name!r} is not planned",
                "run `penchant plan-campaign`; `GET /v1/campaigns` lists planned campaigns",
            )
        return planned[name]
