"""Bots and test users count in nothing that is computed over all users."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penchant.artifacts import Snapshot, SnapshotDescription
from penchant.insights.audience.catalogue import read_catalogue
from penchant.insights.audience.profiles import read_purchases
from penchant.insights.competitors.gaps import interest_by_category
from penchant.insights.demand.series import read_demand
from penchant.insights.retention.history import read_orders
from penchant.insights.search.evaluation import popularity
from penchant.insights.search.learned import learned_items
from penchant.insights.voice.reviews import read_reviews
from penchant.publishing.candidate_lists import candidate_lists
from penchant.settings import PROJECT_ROOT

AS_OF = datetime(2024, 4, 1)
USERS = ("ann", "bob", "cid")
READERS: dict[str, Callable[[Snapshot], Any]] = {
    "demand": lambda snapshot: read_demand(snapshot, 1, 1),
    "orders": lambda snapshot: read_orders(snapshot, 1),
    "launch audiences": lambda snapshot: read_purchases(snapshot, read_catalogue(snapshot), 1),
    "interest in competitors' items": lambda snapshot: interest_by_category(snapshot, 1),
    "popularity in search": lambda snapshot: popularity(snapshot, ("tea", "pan"), AS_OF),
    "items after a search": lambda snapshot: learned_items(snapshot, 1),
    "reviews": read_reviews,
    "candidates": lambda snapshot: candidate_lists(snapshot, None),
}
ONE_USER_EACH = {
    "penchant/insights/retention/fading.py": "portraits of given users",
    "penchant/insights/search/evaluation.py": "purchases and portraits of given searchers",
    "training/campaigns/outcome.py": "spending of the users of a campaign",
}
"""Modules that read a mart of users as it is, with the reason."""


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Snapshot]:
    """``made(*users)``: a snapshot of these users, of whom `bot` and `test` are excluded."""

    def make(*users: str) -> Snapshot:
        snapshot = Snapshot("s-20240401-0123456789ab", tmp_path / "-".join(users))
        snapshot.mart("any").parent.mkdir(parents=True)
        excluded = [user for user in users if user not in USERS]
        reasons = {"user_id": excluded, "reason": excluded}
        tables = {
            "users": {"user_id": list(users)},
            "excluded_users": {name: pa.array(each, pa.string()) for name, each in reasons.items()},
            "items": {
                "item_id": ["pan", "tea"],
                "title": ["A pan", "Tea"],
                "category_1": ["Home", "Food"],
                "brand": ["b", "b"],
                "price": [9.0, 2.0],
                "is_merchandise": [True, True],
                "first_seen_at": pa.array([AS_OF - timedelta(days=20)] * 2, pa.timestamp("us")),
            },
            "events": _columns([row for user in users for row in _events(user)]),
            "reviews": _columns([_review(user) for user in users]),
            "user_portrait": _columns([_portrait(user) for user in users]),
        }
        for name, table in tables.items():
            pq.write_table(pa.table(table), snapshot.mart(name))
        SnapshotDescription(id=snapshot.id, as_of=AS_OF).write(snapshot.path / "snapshot.json")
        return snapshot

    return make


@pytest.mark.parametrize("reader", READERS)
def test_excluded_users_change_nothing(made: Callable[..., Snapshot], reader: str) -> None:
    read = READERS[reader]
    without, with_them = read(made(*USERS)), read(made(*USERS, "bot", "test"))
    assert _plain(with_them) == _plain(without)
    assert _plain(without) != _plain(read(made(*USERS[:2])))  # it does depend on users


def test_no_other_module_reads_a_mart_of_users_as_it_is() -> None:
    """Walks the marts: each with a user_id that an insight or a campaign names."""
    of_users = "|".join(
        path.stem
        for path in (PROJECT_ROOT / "dbt/models/marts").glob("*/*.yml")
        if re.search(r"- (name: |\{name: )user_id\b", path.read_text())
    )
    reading = re.compile(rf"\.mart\(\"({of_users})\"\)(?!\.exists)")
    found = {
        str(path.relative_to(PROJECT_ROOT)): sorted(set(reading.findall(path.read_text())))
        for folder in ("penchant/insights", "training/campaigns")
        for path in (PROJECT_ROOT / folder).rglob("*.py")
        if reading.search(path.read_text())
    }
    assert found.keys() == ONE_USER_EACH.keys(), found


def test_marts_of_landed_insights_leave_them_out() -> None:
    """Insights that landed before a user was found to be a bot."""
    folder = PROJECT_ROOT / "dbt/models/marts/insights"
    insights = [path for path in folder.glob("*.sql") if "of_insight(" in path.read_text()]
    of_users = {path.stem for path in insights if "user_id" in path.read_text()}
    excluding = {path.stem for path in insights if "ref('excluded_users')" in path.read_text()}
    assert of_users == excluding != set()


def _events(user: str) -> list[dict[str, Any]]:
    """A week's search, with what came after it, and purchases over ten weeks."""
    item = "pan" if user == "cid" else "tea"

    def event(days: float, kind: str, item_id: str | None, query: str | None) -> dict[str, Any]:
        at = AS_OF - timedelta(days=days)
        return {
            "event_id": f"{user}-{days}-{kind}",
            "user_id": user,
            "session_id": f"{user}-{int(days)}",
            "item_id": item_id,
            "event_type": kind,
            "quantity": 1,
            "value": 2.0,
            "query": query,
            "event_at": at,
        }

    bought = [event(7 * week + 1.5, "purchase", item, None) for week in range(10)]
    searched = [event(30.6, "search", None, "hot tea"), event(30.5, "view", "tea", None)]
    together = [event(8.4, "purchase", "tea", None), event(8.3, "purchase", "pan", None)]
    return [*searched, *bought, *(together if item == "tea" else [])]


def _review(user: str) -> dict[str, Any]:
    at = AS_OF - timedelta(days=3)
    text = f"Good, says {user}."
    return {"user_id": user, "item_id": "tea", "reviewed_at": at, "rating": 5.0, "text": text}


def _portrait(user: str) -> dict[str, Any]:
    share = 0.9 if user == "cid" else 0.6
    portrait = {"interests": ["Food"], "interest_weights": [share]}
    return {"user_id": user, "feature_at": AS_OF} | portrait


def _columns(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows)


def _plain(value: Any) -> Any:
    """Arrays and tables as lists, for comparison."""
    if isinstance(value, pa.Table):
        return value.to_pydict()
    if isinstance(value, np.ndarray):
        return [repr(each) for each in value.ravel().tolist()]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return _plain(vars(value)) if hasattr(value, "__dataclass_fields__") else value
