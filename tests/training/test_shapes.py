"""Shops of unusual shapes get a release: its families train."""

from datetime import datetime, timedelta

import pytest
from planted import AS_OF, SNAPSHOT, write_snapshot

from penchant.settings import Settings
from training.commands.train import train

DAY = timedelta(days=1)
FAMILIES = ("popularity", "personal_frequency", "item_cf", "ease", "matrix_factorization")
SHAPES = {  # users, items, days, event type
    "one user": (1, 20, 90, "purchase"),
    "one item": (20, 1, 90, "purchase"),
    "nine days": (20, 20, 9, "purchase"),
    "no repeat buyers": (80, 20, 80, "purchase"),
    "views only": (20, 20, 90, "view"),
    "ratings only": (20, 20, 90, "rating"),
}


def histories(users: int, items: int, days: int) -> list[list[tuple[str, datetime]]]:
    """An event of each user every other day; one each where there are as many users as days."""
    each = [day for day in range(days) if day % 2 == 0] if users < days else None
    return [
        [
            (f"i{(user * 7 + day) % items:03}", AS_OF - days * DAY + day * DAY)
            for day in (each if each is not None else [user % days])
        ]
        for user in range(users)
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_fast_families_train(settings: Settings, shape: str) -> None:
    users, items, days, kind = SHAPES[shape]
    events = histories(users, items, days)
    types = [[kind] * len(one) for one in events]
    write_snapshot(settings, events, items, event_types=types, target=kind)
    for family in FAMILIES:
        train(settings, SNAPSHOT, family)


@pytest.mark.long
def test_families_of_text_train_with_ten_thousand_categories(settings: Settings) -> None:
    events = histories(20, 10_000, 90)
    write_snapshot(settings, events, 10_000, categories=10_000)
    for family in ("popularity", "item_cf", "content"):
        train(settings, SNAPSHOT, family)
