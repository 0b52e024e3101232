"""A made-up shop, small and seeded: the same sizes and seed give the same bytes on any day.

Shoppers have latent interests in a few categories and habits of buying the same things again; items
differ in popularity; what is shown in a slot is looked at less the lower the slot. So models have
something to learn, and the logged propensities are exact: each slot of a slate is drawn on its own
from a mixture of the popular and the uniform.

The interests in some categories come together, each kind of ``Leisure`` with one of ``Grocery``;
all others are drawn apart. So what was learned of one department can help in another, or can't, and
which is known.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penchant.errors import UsageError
from penchant.ingestion.arrival import Arrival, Request
from penchant.ingestion.canonical import CONTRACTS
from penchant.ingestion.contract import Contract

NAME = "simulator"
DEFAULT_SIZES = {"users": 80, "items": 60, "days": 120}
MOST_DAYS = 600  # so that nothing is ever later than now

START = datetime(2024, 1, 1)
CATALOGUE = {
    "Grocery": {
        "Coffee": ("Espresso Beans", "Filter Coffee"),
        "Breakfast": ("Muesli", "Honey"),
        "Snacks": ("Crisps", "Dark Chocolate"),
    },
    "Home": {
        "Kitchen": ("Saucepan", "Chopping Board"),
        "Lighting": ("Desk Lamp", "Lantern"),
        "Garden": ("Watering Can", "Planter"),
    },
    "Care": {
        "Skin": ("Hand Cream", "Face Wash"),
        "Hair": ("Shampoo", "Hair Mask"),
        "Baby": ("Nappies", "Baby Wipes"),
    },
    "Leisure": {
        "Books": ("Novel", "Cookbook"),
        "Outdoor": ("Water Bottle", "Camping Mat"),
        "Toys": ("Puzzle", "Building Bricks"),
    },
}
LINKS = {"Books": "Coffee", "Outdoor": "Breakfast", "Toys": "Snacks"}
"""Second-level categories that share an interest: the first's is mostly the second's."""
LINKED_SHARE = 0.85  # of a linked category's interest
BRANDS = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir")
STYLES = ("Classic", "Fine", "Everyday", "Organic", "Little", "Grand")
AGE_BANDS = ("19-24", "25-34", "35-44", "45-54", "55-64", "65+")
INCOME_BANDS = ("Under 25K", "25-49K", "50-74K", "75K+")

SESSIONS_A_DAY = 0.12
SEARCH_SHARE = 0.3
CART_SHARE = 0.45
PURCHASE_SHARE = 0.75
HABIT_SHARE = 0.35  # of a session's looks that go to something bought before
RETURN_SHARE = 0.04
REVIEW_SHARE = 0.12
SLATE = 4  # items shown at the start of a session
EXPLORATION = 0.2  # share of a slot's draws that are uniform
CAMPAIGN_DAYS = 14
CAMPAIGN_PULL = 3.0  # how much likelier an advertised item is looked at


@dataclass(frozen=True)
class Shop:
    """What is true and never logged: ``pull[u, i]`` is how much shopper u is drawn to item i,
    ``interests[u, c]`` to category c of ``categories``, before what is popular in it."""

    users: list[str]
    items: list[str]
    prices: np.ndarray  # (items,)
    types: list[str]  # (items,) the third category
    popularity: np.ndarray  # (items,) sums to 1
    pull: np.ndarray  # (users, items) each row sums to 1
    categories: list[str]  # second-level
    interests: np.ndarray  # (users, categories)


@dataclass(frozen=True)
class Truth:
    """What a portrait is to find out: ``shares[u, c]`` of shopper u's looks go to category c of
    the second level, where nothing but their own interests steers them."""

    users: list[str]
    categories: list[str]
    shares: np.ndarray  # (users, categories) each row sums to 1


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


@dataclass
class Log:
    """Rows as they happen, a list a table."""

    events: list[dict] = field(default_factory=list)
    impressions: list[dict] = field(default_factory=list)
    reviews: list[dict] = field(default_factory=list)


def arrivals(request: Request) -> list[Arrival]:
    """Simulate the shop into the workspace, one Parquet file a table that has rows.

    Raises UsageError for sizes out of bounds.
    """
    sizes = {**DEFAULT_SIZES, **request.sizes}
    unknown = sizes.keys() - DEFAULT_SIZES
    if unknown:
        raise UsageError(
            f"the simulator has no size {min(unknown)!r}", "choose users, items or days"
        )
    if min(sizes.values()) < 1 or sizes["days"] > MOST_DAYS:
        raise UsageError(
            f"the simulator can't have {sizes}",
            f"ask for at least 1 of each, {MOST_DAYS} days at most",
        )
    tables = simulate(request.settings.seed, **sizes)
    return [
        Arrival(contract, _write(contract, tables[contract.table], request.workspace))
        for contract in CONTRACTS
        if tables[contract.table]
    ]


def simulate(seed: int, users: int, items: int, days: int) -> dict[str, list[dict]]:
    """Rows of every canonical table, in the order in which they happened."""
    rng, shop, user_rows, item_rows = _opened(seed, users, items)
    campaigns = _campaigns(rng, shop, item_rows, days)
    log = Log()
    for user in range(users):
        _live(rng, shop, campaigns, user, days, log)
    _mail(shop, campaigns, log)
    return {
        "users": user_rows,
        "items": item_rows,
        "events": _numbered(log.events, "event_id", "e", "event_at"),
        "impressions": _numbered(log.impressions, "impression_id", "m", "shown_at"),
        "campaigns": [
            {
                "campaign_id": campaign.id,
                "item_id": shop.items[item],
                "kind": campaign.kind,
                "starts_on": campaign.starts,
                "ends_on": campaign.ends,
            }
            for campaign in campaigns
            for item in campaign.items
        ],
        "reviews": sorted(log.reviews, key=lambda row: (row["reviewed_at"], row["user_id"])),
    }


def added_by_campaigns(
    seed: int, users: int, items: int, days: int
) -> tuple[list[str], dict[str, np.ndarray]]:
    """The shoppers, and by campaign id what being sent it adds for each of them to the worth of one
    look, were it bought: money spent on what the campaign advertises. Of the shop that
    ``simulate`` makes of the same seed and sizes.
    """
    rng, shop, _, item_rows = _opened(seed, users, items)
    added = {}
    for campaign in _campaigns(rng, shop, item_rows, days):
        pull = shop.pull[:, campaign.items]
        share = pull.sum(axis=1)
        pulled = CAMPAIGN_PULL * share / (1 - share + CAMPAIGN_PULL * share)
        added[campaign.id] = (pulled / share - 1) * (pull @ shop.prices[campaign.items])
    return shop.users, added


def truth(seed: int, users: int, items: int) -> Truth:
    """The true interests in the shop that ``simulate`` makes of the same seed and sizes.

    They are a look's chances of each category: interest and what is popular in it. Left out is what
    steers looks beside them and is logged with them: slates, campaigns and habits. Interests do not
    move, so it is the truth on every day.
    """
    _, shop, _, item_rows = _opened(seed, users, items)
    categories = np.array([item["category_2"] for item in item_rows])
    shares = [shop.pull[:, categories == name].sum(axis=1) for name in shop.categories]
    return Truth(shop.users, shop.categories, np.stack(shares, axis=1))


def _opened(
    seed: int, users: int, items: int
) -> tuple[np.random.Generator, Shop, list[dict], list[dict]]:
    """The shop before its first day, its users' and items' rows, and the chance that goes on."""
    rng = np.random.default_rng(seed)
    item_rows = _items(rng, items)
    user_rows = _users(rng, users)
    return rng, _shop(rng, user_rows, item_rows), user_rows, item_rows


def _items(rng: np.random.Generator, count: int) -> list[dict]:
    leaves = [
        (top, middle, leaf)
        for top, middles in CATALOGUE.items()
        for middle, pair in middles.items()
        for leaf in pair
    ]
    rows = []
    for number in range(count):
        top, middle, leaf = leaves[number % len(leaves)]
        brand, style = rng.choice(BRANDS), rng.choice(STYLES)
        rows.append(
            {
                "item_id": f"i{number:05d}",
                "title": f"{brand} {style} {leaf}",
                "description": f"{style} {leaf.lower()} by {brand}, for {middle.lower()}.",
                "category_1": top,
                "category_2": middle,
                "category_3": leaf,
                "brand": str(brand),
                "price": round(float(rng.lognormal(2.0, 0.6)), 2),
                "first_seen_at": START,
            }
        )
    return rows


def _users(rng: np.random.Generator, count: int) -> list[dict]:
    rows = []
    for number in range(count):
        kids = int(rng.integers(0, 4))
        row: dict[str, object] = {"user_id": f"u{number:05d}", "first_seen_at": START}
        if rng.random() < 0.7:  # the others never said
            row |= {
                "age_band": str(rng.choice(AGE_BANDS)),
                "income_band": str(rng.choice(INCOME_BANDS)),
                "household_size": str(1 + kids),
                "household_composition": "Kids" if kids else "No Kids",
                "home_ownership": str(rng.choice(["Homeowner", "Renter"])),
                "marital_status": str(rng.choice(["Married", "Unmarried"])),
                "kids_count": str(kids),
            }
        rows.append(row)
    return rows


def _shop(rng: np.random.Generator, users: list[dict], items: list[dict]) -> Shop:
    categories = sorted({item["category_2"] for item in items})
    category = np.array([categories.index(item["category_2"]) for item in items])
    popularity = rng.lognormal(0.0, 0.8, len(items))
    popularity /= popularity.sum()
    interests = _interests(rng, len(users), categories)
    pull = interests[:, category] * popularity
    return Shop(
        users=[user["user_id"] for user in users],
        items=[item["item_id"] for item in items],
        prices=np.array([item["price"] for item in items]),
        types=[item["category_3"] for item in items],
        popularity=popularity,
        pull=pull / pull.sum(axis=1, keepdims=True),
        categories=categories,
        interests=interests,
    )


def _interests(rng: np.random.Generator, users: int, categories: list[str]) -> np.ndarray:
    """(users, categories): few at a time, independent save for the links."""
    interests = rng.dirichlet(np.full(len(categories), 0.15), users) + 0.01
    for linked, to in LINKS.items():
        if {linked, to} <= set(categories):
            own, shared = interests[:, categories.index(linked)], interests[:, categories.index(to)]
            own += LINKED_SHARE * (shared - own)
    return interests


def _campaigns(
    rng: np.random.Generator, shop: Shop, items: list[dict], days: int
) -> list[Campaign]:
    """One every 30 days, for the items of one category, sent to half of the shoppers."""
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


def _live(
    rng: np.random.Generator, shop: Shop, campaigns: list[Campaign], user: int, days: int, log: Log
) -> None:
    """All sessions of one shopper."""
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
    """A slate is shown, some of it clicked; then searches, looks, carts and purchases."""
    session = f"s-{shop.users[user]}-{begins:%Y%m%d}"
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
                _afterwards(rng, shop, user, item, quantity, session, at, days, log)
                for shown in clicked.get(item, ()):
                    shown |= {"converted": True, "reward": _value(shop, item, quantity)}


def _pull_at(shop: Shop, campaigns: list[Campaign], user: int, at: datetime) -> np.ndarray:
    """(items,) the shopper's pull, stronger for what a running campaign advertises to them."""
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
    """Log a slate; the impressions that were clicked, by item."""
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


def _afterwards(
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
    """A purchase may be sent back or reviewed some days later, if the shop is still open."""
    later = at + timedelta(days=int(rng.integers(2, 15)))
    sent_back, reviewed = rng.random() < RETURN_SHARE, rng.random() < REVIEW_SHARE
    if later >= START + timedelta(days=days):
        return
    if sent_back:
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
        if sent_back:
            rating = max(1.0, rating - 2)
        text = f"{shop.types[item]}: {'would buy again' if rating > 3 else 'not for me'}."
        log.reviews.append(
            {
                "user_id": shop.users[user],
                "item_id": shop.items[item],
                "rating": rating,
                "text": text,
                "reviewed_at": later,
            }
        )


def _mail(shop: Shop, campaigns: list[Campaign], log: Log) -> None:
    """One impression of each campaign for each of its audience; it converts by a purchase."""
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


def _numbered(rows: list[dict], column: str, prefix: str, time: str) -> list[dict]:
    """The rows by time, each with an id; a stable sort, so equal times keep their order."""
    ordered = sorted(rows, key=lambda row: row[time])
    return [{column: f"{prefix}{number:07d}", **row} for number, row in enumerate(ordered)]


ARROW_TYPES = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "TIMESTAMP": pa.timestamp("us"),
    "BOOLEAN": pa.bool_(),
}


def _write(contract: Contract, rows: list[dict], folder: Path) -> Path:
    path = folder / f"{contract.table}.parquet"
    schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in contract.columns])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path
