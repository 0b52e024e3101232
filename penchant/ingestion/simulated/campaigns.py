"""The synthetic shop's campaigns, and their true effect on spending."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from penchant.ingestion.simulated.shop import START, Shop, open_shop

CAMPAIGN_DAYS = 14
CAMPAIGN_PULL = 3.0  # factor on the probability of viewing an advertised item


@dataclass(frozen=True)
class Campaign:
    id: str
    kind: str
    starts: datetime
    items: np.ndarray
    audience: np.ndarray  # (users,) bool

    @property
    def ends(self) -> datetime:
        return self.starts + timedelta(days=CAMPAIGN_DAYS)


def added_by_campaigns(
    seed: int, users: int, items: int, days: int
) -> tuple[list[str], dict[str, np.ndarray]]:
    """True effect of each campaign: (users, {campaign id: (users,) gain}).

    The gain is the expected increase in value of the advertised items per view, if every view were
    bought, when the campaign is sent to the user. For the shop that ``simulate`` generates from
    the same seed and sizes.
    """
    rng, shop, _, item_rows = open_shop(seed, users, items)
    added = {}
    for campaign in campaigns_of(rng, shop, item_rows, days):
        pull = shop.pull[:, campaign.items]
        share = pull.sum(axis=1)
        pulled = CAMPAIGN_PULL * share / (1 - share + CAMPAIGN_PULL * share)
        added[campaign.id] = (pulled / share - 1) * (pull @ shop.prices[campaign.items])
    return shop.users, added


def campaigns_of(
    rng: np.random.Generator, shop: Shop, items: list[dict], days: int
) -> list[Campaign]:
    """One campaign every 30 days, for the items of one category, sent to half of the users."""
    middles = sorted({item["category_2"] for item in items})
    campaigns = []
    for number, day in enumerate(range(7, days, 30)):
        middle = middles[int(rng.integers(len(middles)))]
        campaigns.append(
            Campaign(
                id=f"c{number:03d}",
                kind=str(rng.choice(["coupon", "mailer"])),
                starts=START + timedelta(days=day),
                items=np.array([n for n, item in enumerate(items) if item["category_2"] == middle]),
                audience=rng.random(len(shop.users)) < 0.5,
            )
        )
    return campaigns
