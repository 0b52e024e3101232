"""The plan of a day's ads."""

from pathlib import Path

from penchant.artifacts.record import Part, Record
from penchant.settings import Settings


class PlannedCampaign(Part):
    """Planned ``impressions``, the money ``spent`` and the expected ``responses``, with what they
    were planned for. ``budget_price``: the value that one more unit of money would add."""

    impressions: float
    spent: float
    budget: float
    price: float
    value: float
    cap: float
    responses: float
    budget_price: float


class AdPlanRecord(Record):
    """``plan.json``; ``plan.parquet`` beside it has the impressions of each user and campaign.

    ``attention``: impressions that a user notices in a day, of which an ad takes
    ``ad_attention``. ``curve``: share of a day's traffic by the end of each hour.
    """

    REMEDY = "run `penchant plan-ads` again"

    snapshot_id: str
    run_id: str
    users: int
    worth: float
    campaigns: dict[str, PlannedCampaign]
    attention: int
    ad_attention: int
    curve: tuple[float, ...]

    @staticmethod
    def folder(settings: Settings, snapshot_id: str) -> Path:
        return settings.home / "ads" / snapshot_id

    @classmethod
    def path(cls, settings: Settings, snapshot_id: str) -> Path:
        return cls.folder(settings, snapshot_id) / "plan.json"
