"""The made-up shop's campaigns, and what they truly add."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from penchant.ingestion.simulated.shop import START, Shop, open_shop

CAMPAIGN_DAYS = 14
CAMPAIGN_PULL = 3.0  # how much likelier an advertised item is looked at


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
    """The users, and by campaign id what being sent it adds for each of them to the worth of one
    look, were it bought: money spent on what the campaign advertises. Of the shop that
    ``simulate`` makes of the same seed and sizes.
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
    """One every 30 days, for the items of one category, sent to half of the users."""
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
