"""Models of planned campaigns."""

from datetime import date
from typing import Literal

from pydantic import Field

from penchant.api_schemas import Request, Response

MAX_CAMPAIGN_OFFERS = 1000
MAX_CAMPAIGN_NAME = 40


class Expectation(Response):
    """Money, with its 95 % interval."""

    mean: float
    low: float
    high: float


class CampaignOffer(Response):
    kind: str
    items: int = Field(description="Number of items that the offer is for.")
    users: int = Field(description="Number of users to send it to.")
    discounts: dict[str, int] = Field(description="Number of them by discount.")
    cost: Expectation
    added: Expectation = Field(description="Spending that the offer adds.")


class CampaignPlan(Response):
    """What a campaign is expected to add and to cost."""

    name: str
    snapshot_id: str
    goal: Literal["profit", "sales", "offered_sales"]
    budget: float
    starts_on: date
    ends_on: date
    users: int = Field(description="Number of users to send an offer to.")
    held_out: int = Field(description="Number of users who get nothing, to compare with.")
    cost: Expectation
    added: Expectation = Field(description="Spending that the campaign adds.")
    worth: Expectation = Field(description="What the goal counts.")
    detectable: float = Field(
        description="Smallest added spending per user that the held-out users can show."
    )
    offers: dict[str, CampaignOffer]


class CampaignPlans(Response):
    """Those that begin last first."""

    campaigns: list[CampaignPlan]


class CampaignUsersQuery(Request):
    campaign: str = Field(min_length=1, max_length=MAX_CAMPAIGN_NAME)
    k: int = Field(100, ge=1, le=MAX_CAMPAIGN_OFFERS, description="Maximum number of offers.")


class UserOffer(Response):
    user_id: str
    offer: str
    discount: float = Field(description="Share of the price.")
    added: float = Field(description="Expected added spending.")
    cost: float = Field(description="Expected cost.")


class CampaignUsers(Response):
    """Offers to send; users who are held out are not in it."""

    snapshot_id: str
    campaign: str
    offers: list[UserOffer]
