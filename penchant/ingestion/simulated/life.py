"""Simulation of sessions, slates, purchases, returns, reviews and mailed campaigns."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from penchant.ingestion.simulated.campaigns import CAMPAIGN_PULL, Campaign
from penchant.ingestion.simulated.review_texts import review_text
from penchant.ingestion.simulated.shop import START, Shop

SESSIONS_A_DAY = 0.12
SEARCH_SHARE = 0.3
CART_SHARE = 0.45
PURCHASE_SHARE = 0.75
HABIT_SHARE = 0.35  # share of a session's views that are of items bought before
RETURN_SHARE = 0.04
REVIEW_SHARE = 0.12
SLATE = 4  # items shown at the start of a session
EXPLORATION = 0.2  # share of a slot's draws that are uniform


@dataclass
class Log:
    """The simulated rows of each table, in the order in which they happen."""

    events: list[dict] = field(default_factory=list)
    impressions: list[dict] = field(default_factory=list)
    reviews: list[dict] = field(default_factory=list)


def live(
    rng: np.random.Generator, shop: Shop, campaigns: list[Campaign], user: int, days: int, log: Log
) -> None:
    """Simulate all sessions of a user."""
    busy = rng.gamma(4.0, SESSIONS_A_DAY / 4.0)
    happens = np.sort(rng.choice(days, size=min(days, 1 + rng.poisson(busy * days)), replace=False))
    bought: list[int] = []
    for day in happens:
        begins = START + timedelta(days=int(day), seconds=int(rng.integers(8 * 3600, 22 * 3600)))
        _session(rng, shop, campaigns, user, begins, bought, days, log)


def _session(
    rng: np.random.Generator,
    shop: Shop,
    campaigns: list[Campaign],
    user: int,
    begins: datetime,
    bought: list[int],
    days: int,
    log: Log,
) -> None:
    """Simulate a session: a slate with clicks, then searches, views, carts and purchases."""
    session = f"s-{user:05d}-{begins:%Y%m%d}"  # like a shop's, it names nobody
    pull = _pull_at(shop, campaigns, user, begins)
    clicked = _show(rng, shop, pull, user, session, begins, log)
    at = begins
    looks = list(clicked)
    for _ in range(1 + rng.poisson(2.0)):
        if bought and rng.random() < HABIT_SHARE:
            looks.append(bought[int(rng.integers(len(bought)))])
        else:
            looks.append(int(rng.choice(len(pull), p=pull)))

    def happened(event_type: str, item: int | None, **rest: object) -> None:
        nonlocal at
        at += timedelta(seconds=int(rng.integers(5, 90)))
        log.events.append(
            {
                "user_id": shop.users[user],
                "session_id": session,
                "item_id": None if item is None else shop.items[item],
                "event_type": event_type,
                "event_at": at,
                **rest,
            }
        )

    for item in dict.fromkeys(looks):
        if rng.random() < SEARCH_SHARE:
            happened("search", None, query=shop.types[item].lower())
        happened("view", item)
        if item in bought or rng.random() < CART_SHARE:
            happened("cart", item, quantity=1)
            if rng.random() < PURCHASE_SHARE:
                quantity = 1 + int(rng.poisson(0.4))
                happened("purchase", item, quantity=quantity, value=_value(shop, item, quantity))
                bought.append(item)
                _return_or_review(rng, shop, user, item, quantity, session, at, days, log)
                for shown in clicked.get(item, ()):
                    shown |= {"converted": True, "reward": _value(shop, item, quantity)}


def _pull_at(shop: Shop, campaigns: list[Campaign], user: int, at: datetime) -> np.ndarray:
    """(items,) the user's view probabilities, raised for items of running campaigns."""
    pull = shop.pull[user].copy()
    for campaign in campaigns:
        if campaign.audience[user] and campaign.starts <= at < campaign.ends:
            pull[campaign.items] *= CAMPAIGN_PULL
    return pull / pull.sum()


def _show(
    rng: np.random.Generator,
    shop: Shop,
    pull: np.ndarray,
    user: int,
    session: str,
    at: datetime,
    log: Log,
) -> dict[int, list[dict]]:
    """Log a slate; return the clicked impressions by item."""
    chance = EXPLORATION / len(shop.items) + (1 - EXPLORATION) * shop.popularity
    chance /= chance.sum()
    clicked: dict[int, list[dict]] = {}
    for position, drawn in enumerate(rng.choice(len(shop.items), size=SLATE, p=chance)):
        item = int(drawn)
        looked_at = 1 / (1 + position)
        appeal = min(1.0, pull[item] * len(shop.items) / 4)
        row = {
            "user_id": shop.users[user],
            "item_id": shop.items[item],
            "placement": "home",
            "position": position,
            "policy": "popular-or-uniform",
            "propensity": float(chance[item]),
            "shown_at": at,
            "clicked": bool(rng.random() < looked_at * appeal),
            "converted": False,
            "reward": 0.0,
        }
        log.impressions.append(row)
        if row["clicked"]:
            clicked.setdefault(item, []).append(row)
    return clicked


def _return_or_review(
    rng: np.random.Generator,
    shop: Shop,
    user: int,
    item: int,
    quantity: int,
    session: str,
    at: datetime,
    days: int,
    log: Log,
) -> None:
    """Maybe return or review a purchase some days later, within the simulated days."""
    later = at + timedelta(days=int(rng.integers(2, 15)))
    returned, reviewed = rng.random() < RETURN_SHARE, rng.random() < REVIEW_SHARE
    if later >= START + timedelta(days=days):
        return
    if returned:
        log.events.append(
            {
                "user_id": shop.users[user],
                "session_id": session,
                "item_id": shop.items[item],
                "event_type": "return",
                "quantity": -quantity,
                "value": -_value(shop, item, quantity),
                "event_at": later,
            }
        )
    if reviewed:
        liked = shop.pull[user, item] * len(shop.items)
        rating = float(np.clip(round(2.5 + np.log1p(liked) + rng.normal(0, 0.7)), 1, 5))
        if returned:
            rating = max(1.0, rating - 2)
        named = (shop.users[user], shop.items[item], shop.departments[item])
        log.reviews.append(
            {
                "user_id": shop.users[user],
                "item_id": shop.items[item],
                "rating": rating,
                "text": review_text(*named, rating, len(log.reviews)),
                "reviewed_at": later,
            }
        )


def mail(shop: Shop, campaigns: list[Campaign], log: Log) -> None:
    """Log an impression per campaign and user of its audience; a purchase is a conversion."""
    purchases = [event for event in log.events if event["event_type"] == "purchase"]
    for campaign in campaigns:
        advertised = {shop.items[item] for item in campaign.items}
        spent: dict[str, float] = {}
        for event in purchases:
            if (
                event["item_id"] in advertised
                and campaign.starts <= event["event_at"] < campaign.ends
            ):
                spent[event["user_id"]] = spent.get(event["user_id"], 0.0) + event["value"]
        for user in np.flatnonzero(campaign.audience):
            name = shop.users[user]
            log.impressions.append(
                {
                    "user_id": name,
                    "ad_id": campaign.id,
                    "placement": campaign.kind,
                    "policy": "half-at-random",
                    "propensity": 0.5,
                    "shown_at": campaign.starts,
                    "converted": name in spent,
                    "reward": round(spent.get(name, 0.0), 2),
                }
            )


def _value(shop: Shop, item: int, quantity: int) -> float:
    return round(float(shop.prices[item]) * quantity, 2)
