"""Next-basket data: a JSON object, user -> list of baskets, oldest first.

    {"7": [["milk", "bread"], ["milk"], ["eggs", "milk"]], "8": [...]}

A basket is a list of items, at least one; an item that is there twice counts once. Ids are strings
or integers from 0. There are no times: an event is dated by its place, one day before the user's
next basket, so ages and half-lives in days count baskets and ``leave_one_out`` leaves out baskets.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penchant.errors import DataError
from training.data.histories import DAY, Histories, starts

FEWEST = 3  # baskets of a user: one to learn from, one to validate, one to test
SHAPE = '{"user": [["item", "item"], ["item"]]}'


@dataclass(frozen=True)
class BasketTable:
    """``too_short``: users with fewer than three baskets, who are left out."""

    item_ids: tuple[str, ...]
    histories: Histories
    baskets: int
    too_short: int


def read_baskets(path: Path) -> BasketTable:
    """Read a data set; users keep the file's order.

    Raises DataError with the place for anything else than the documented form, and when no user
    has three baskets.
    """
    users = _parsed(path)
    kept = {user: baskets for user, baskets in users.items() if len(baskets) >= FEWEST}
    if not kept:
        longest = max(map(len, users.values()), default=0)
        raise DataError(
            f"{path}: no user has {FEWEST} baskets, the most is {longest} of {len(users)} users",
            "add users with more baskets: one is to learn from, one to validate, one to test",
        )
    row_of: dict[str, int] = {}
    items, ages, lengths = [], [], []
    for baskets in kept.values():
        lengths.append(sum(map(len, baskets)))
        for place, basket in enumerate(baskets):
            items += [row_of.setdefault(item, len(row_of)) for item in basket]
            ages += [len(baskets) - place] * len(basket)
    end = (max(map(len, kept.values())) + 1) * DAY
    histories = Histories(
        users_U=np.arange(len(kept)),
        starts_U1=starts(np.array(lengths)),
        items_N=np.array(items, np.int32),
        times_N=end - np.array(ages, np.int64) * DAY,
        weights_N=np.ones(len(items), np.float32),
        item_count=len(row_of),
        end=end,
    )
    count = sum(map(len, kept.values()))
    return BasketTable(tuple(row_of), histories, count, len(users) - len(kept))


def write_baskets(path: Path, users: dict[str, list[list[str]]]) -> None:
    """Write a data set in the form that ``read_baskets`` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(users))
    unfinished.replace(path)


def _parsed(path: Path) -> dict[str, list[list[str]]]:
    """Baskets of distinct items, checked."""

    def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            repeated = next(name for name in names if names.count(name) > 1)
            raise DataError(
                f"{path}: user {repeated!r} is there twice", "write all baskets in one list"
            )
        return found

    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=without_repeats)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", "give the path of a JSON file") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DataError(
            f"{path}, {place}: malformed JSON: {error.msg}", f"write {SHAPE}"
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path}: malformed JSON: {error}", f"write {SHAPE} in UTF-8") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: {_shown(content)} is not a JSON object", f"write {SHAPE}")
    return {user: _baskets(baskets, f"{path}, user {user!r}") for user, baskets in content.items()}


def _baskets(baskets: Any, where: str) -> list[list[str]]:
    if not isinstance(baskets, list):
        raise DataError(f"{where}: {_shown(baskets)} is not a list of baskets", f"write {SHAPE}")
    return [_basket(basket, f"{where}, basket {place}") for place, basket in enumerate(baskets, 1)]


def _basket(basket: Any, where: str) -> list[str]:
    if not isinstance(basket, list):
        raise DataError(f"{where}: {_shown(basket)} is not a list of items", f"write {SHAPE}")
    if not basket:
        raise DataError(f"{where}: the basket is empty", "leave the basket out")
    for place, item in enumerate(basket, 1):
        number = isinstance(item, int) and not isinstance(item, bool) and item >= 0
        if not (number or (isinstance(item, str) and item)):
            raise DataError(
                f"{where}, item {place}: {_shown(item)} is not an item id",
                "write a string or an integer from 0; leave out padding such as -1",
            )
    return list(dict.fromkeys(str(item) for item in basket))


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
