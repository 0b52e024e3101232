"""The synthetic shop: its catalogue, its users and their true interests.

Each category of ``Leisure`` shares interests with one of ``Grocery``; all others are independent.
So it is known for which departments transfer learning can help.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

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
"""Second-level categories that share interests: the key's interest is mostly the value's."""
LIKED_STYLES = 1.5  # Dirichlet mass of a user's styles: most like one or two
LINKED_SHARE = 0.85  # share of a linked category's interest that is the other's
BRANDS = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir")
STYLES = ("Classic", "Fine", "Everyday", "Organic", "Little", "Grand")
AGE_BANDS = ("19-24", "25-34", "35-44", "45-54", "55-64", "65+")
INCOME_BANDS = ("Under 25K", "25-49K", "50-74K", "75K+")


@dataclass(frozen=True)
class Shop:
    """The ground truth, which is not logged.

    ``pull[u, i]`` is the probability that a view of user u is of item i; ``interests[u, c]`` is
    user u's interest in category c of ``categories``, before item popularity.
    """

    users: list[str]
    items: list[str]
    prices: np.ndarray  # (items,)
    departments: list[str]  # (items,) the first category
    types: list[str]  # (items,) the third category
    popularity: np.ndarray  # (items,) sums to 1
    pull: np.ndarray  # (users, items) each row sums to 1
    styles: np.ndarray  # (items,) -1 where the shop has no styles
    categories: list[str]  # second-level
    interests: np.ndarray  # (users, categories)


@dataclass(frozen=True)
class Truth:
    """The target of portraits: ``shares[u, c]`` is the share of user u's views in second-level
    category c that interests alone cause."""

    users: list[str]
    categories: list[str]
    shares: np.ndarray  # (users, categories) each row sums to 1


def truth(seed: int, users: int, items: int) -> Truth:
    """The true interests in the shop that ``simulate`` generates from the same seed and sizes.

    They are the probabilities that a view is in each category, from interest and item popularity,
    without the effects of slates, campaigns and habits. Interests are constant over time.
    """
    _, shop, _, item_rows = open_shop(seed, users, items)
    categories = np.array([item["category_2"] for item in item_rows])
    shares = [shop.pull[:, categories == name].sum(axis=1) for name in shop.categories]
    return Truth(shop.users, shop.categories, np.stack(shares, axis=1))


def open_shop(
    seed: int, users: int, items: int, styles: int = 0
) -> tuple[np.random.Generator, Shop, list[dict], list[dict]]:
    """The shop, rows of its users and items, and the random generator for what follows."""
    rng = np.random.default_rng(seed)
    item_rows = _items(rng, items)
    user_rows = _users(rng, users)
    return rng, _shop(rng, user_rows, item_rows, styles), user_rows, item_rows


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
        if rng.random() < 0.7:  # the others have no demographics
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


def _shop(rng: np.random.Generator, users: list[dict], items: list[dict], styles: int) -> Shop:
    categories = sorted({item["category_2"] for item in items})
    category = np.array([categories.index(item["category_2"]) for item in items])
    popularity = rng.lognormal(0.0, 0.8, len(items))
    popularity /= popularity.sum()
    interests = _interests(rng, len(users), categories)
    pull = interests[:, category] * popularity
    style = np.full(len(items), -1)
    if styles:
        style = rng.integers(0, styles, len(items))
        pull *= rng.dirichlet(np.full(styles, LIKED_STYLES / styles), len(users))[:, style] + 0.01
    return Shop(
        users=[user["user_id"] for user in users],
        items=[item["item_id"] for item in items],
        prices=np.array([item["price"] for item in items]),
        departments=[item["category_1"] for item in items],
        types=[item["category_3"] for item in items],
        popularity=popularity,
        pull=pull / pull.sum(axis=1, keepdims=True),
        styles=style,
        categories=categories,
        interests=interests,
    )


def _interests(rng: np.random.Generator, users: int, categories: list[str]) -> np.ndarray:
    """(users, categories): a few per user, independent except for LINKS."""
    interests = rng.dirichlet(np.full(len(categories), 0.15), users) + 0.01
    for linked, to in LINKS.items():
        if {linked, to} <= set(categories):
            own, shared = interests[:, categories.index(linked)], interests[:, categories.index(to)]
            own += LINKED_SHARE * (shared - own)
    return interests
