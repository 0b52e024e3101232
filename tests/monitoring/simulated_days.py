"""A simulated shop, day by day, as a snapshot's marts: weekly pattern, sessions, promotions, noise
of whole days. ``PLANTED`` changes its last day."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from penchant.artifacts import CheckResults, SnapshotDescription
from penchant.settings import Settings

START = datetime(2024, 1, 1)
USERS, ITEMS, SESSIONS = 400, 160, 150
HOUR = 3_600_000_000  # microseconds
KEPT = timedelta(days=36)  # of history in a snapshot: more is not read
CATEGORIES = np.array(["TEA", "PANS", "BREAD", "FISH", "BOOKS", "TOYS", "WINE", "SOAP"], object)
AGES = np.array(["19-24", "25-34", "35-44", "45-54", "55+", None], object)
RELEASES = ("r-000000000001", "r-000000000002")
VIEW = "user_statistics"


@dataclass
class Tables:
    """The marts as data frames; ``feature_at``: of the feature view's newest rows."""

    events: pd.DataFrame
    impressions: pd.DataFrame
    outcomes: pd.DataFrame
    as_of: datetime
    feature_at: datetime
    last: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.last = self.as_of - timedelta(days=1)


class World:
    """Users, items and what they do; ``seed`` fixes it."""

    def __init__(self, seed: int, days: int) -> None:
        self.days = days
        draw = self._draw = np.random.default_rng(seed)
        self.category_I = draw.integers(0, len(CATEGORIES), ITEMS)
        self.price_I = np.round(np.exp(draw.normal(1.6, 1.0, ITEMS)), 2)
        self.age_U = draw.choice(len(AGES), USERS, p=[0.1, 0.25, 0.25, 0.2, 0.17, 0.03])
        self.likes_UC = draw.dirichlet(np.full(len(CATEGORIES), 0.5), USERS)
        self.spend_U = draw.gamma(2.0, 50.0, USERS)
        found = [self._day(day) for day in range(days)]
        self.events = pd.concat([each[0] for each in found], ignore_index=True)
        self.impressions = pd.concat([each[1] for each in found], ignore_index=True)
        self.outcomes = pd.concat([each[2] for each in found], ignore_index=True)

    def _day(self, day: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        draw = self._draw
        weekend = day % 7 >= 5
        sessions = draw.poisson(SESSIONS * (1.4 if weekend else 1.0) * np.exp(draw.normal(0, 0.1)))
        user_S = draw.integers(0, USERS, sessions)
        mood_C = np.exp(draw.normal(0, 0.1, len(CATEGORIES)))
        weight_SC = self.likes_UC[user_S] * mood_C
        weight_SC /= weight_SC.sum(1, keepdims=True)
        hours = np.array([0.1, 0.05, 0.25, 0.25, 0.2, 0.15]) * np.exp(draw.normal(0, 0.1, 6))
        hour_S = 4 * draw.choice(6, sessions, p=hours / hours.sum()) + draw.random(sessions) * 3.9
        at_S = np.datetime64(START, "us") + ((day * 24 + hour_S) * HOUR).astype("m8[us]")
        length_S = 1 + draw.poisson(6, sessions)
        session_E = np.repeat(np.arange(sessions), length_S)
        drawn_E = draw.random(len(session_E))[:, None]
        category_E = (weight_SC[session_E].cumsum(1) < drawn_E).sum(1).clip(0, len(CATEGORIES) - 1)
        item_E = self._items(category_E)
        type_E = draw.choice(["view", "cart", "purchase"], len(item_E), p=[0.6, 0.12, 0.28])
        bought_E = type_E == "purchase"
        quantity_E = np.where(bought_E, 1 + draw.poisson(0.4, len(item_E)), np.nan)
        promoted = draw.random(ITEMS) < 0.1
        price_E = self.price_I[item_E] * np.where(promoted[item_E], 0.8, 1.0)
        events = pd.DataFrame(
            {
                "event_id": [f"e{day}-{number}" for number in range(len(item_E))],
                "user_id": [f"u{user_S[each]}" for each in session_E],
                "item_id": [f"i{item}" for item in item_E],
                "event_type": type_E,
                "quantity": quantity_E,
                "value": np.where(bought_E, price_E * quantity_E, np.nan),
                "event_at": at_S[session_E],
            }
        )
        return events, *self._served(day, user_S, at_S)

    def _items(self, category_E: np.ndarray) -> np.ndarray:
        """A random item of each category."""
        order_I = np.argsort(self.category_I, kind="stable")
        sizes_C = np.bincount(self.category_I, minlength=len(CATEGORIES))
        first_C = np.cumsum(sizes_C) - sizes_C
        within_E = (self._draw.random(len(category_E)) * sizes_C[category_E]).astype(int)
        return order_I[first_C[category_E] + within_E]

    def _served(
        self, day: int, user_S: np.ndarray, at_S: np.ndarray
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        draw, slots = self._draw, 8
        session_M = np.repeat(np.arange(len(user_S)), slots)
        score_M = draw.beta(2, 20, len(session_M))
        logit_M = np.log(score_M / (1 - score_M)) + draw.normal(0, 0.1)
        clicked_M = draw.random(len(session_M)) < 1 / (1 + np.exp(-logit_M))
        shown_M = at_S[session_M]
        placements = draw.dirichlet([120, 60, 20])
        impressions = pd.DataFrame(
            {
                "impression_id": [f"m{day}-{number}" for number in range(len(session_M))],
                "user_id": [f"u{user_S[each]}" for each in session_M],
                "item_id": [f"i{item}" for item in draw.integers(0, ITEMS, len(session_M))],
                "placement": draw.choice(["home", "item", "cart"], len(session_M), p=placements),
                "policy": "ranker",
                "score": score_M,
                "release_id": RELEASES[day // 7 % 2],
                "shown_at": shown_M,
            }
        )
        late_M = np.where(draw.random(len(session_M)) < 0.1, 30 * HOUR, HOUR / 30)
        outcomes = pd.DataFrame(
            {
                "impression_id": impressions["impression_id"],
                "shown_at": impressions["shown_at"],
                "event_type": np.where(draw.random(len(session_M)) < 0.2, "purchase", "view"),
                "event_at": shown_M + late_M.astype("m8[us]"),
                "status": "matched",
            }
        )[clicked_M]
        return impressions, outcomes

    def tables(self, days: int) -> Tables:
        """What a snapshot after so many days contains."""
        as_of = START + timedelta(days=days)

        def until(frame: pd.DataFrame, column: str) -> pd.DataFrame:
            return frame[(frame[column] < as_of) & (frame[column] >= as_of - KEPT)].copy()

        return Tables(
            until(self.events, "event_at"),
            until(self.impressions, "shown_at"),
            until(self.outcomes, "event_at"),
            as_of,
            as_of,
        )

    def write(self, settings: Settings, tables: Tables) -> str:
        """Write a checked snapshot of these tables and make it live; return its id."""
        days = (tables.as_of - START).days
        snapshot_id = f"s-{tables.as_of:%Y%m%d}-{days:012x}"
        folder = settings.snapshots / snapshot_id
        (folder / "marts").mkdir(parents=True)
        users = [f"u{number}" for number in range(USERS)]
        items = [f"i{number}" for number in range(ITEMS)]
        frames = {
            "events": tables.events,
            "impressions": tables.impressions,
            "outcomes": tables.outcomes,
            "users": pd.DataFrame({"user_id": users, "age_band": AGES[self.age_U]}),
            "items": pd.DataFrame(
                {"item_id": items, "category_1": CATEGORIES[self.category_I], "price": self.price_I}
            ),
            "user_lifecycle": pd.DataFrame(
                {
                    "user_id": users,
                    "feature_at": START - timedelta(days=1),
                    "lifecycle_stage": ["loyal" if each % 3 else "new" for each in range(USERS)],
                }
            ),
            VIEW: pd.DataFrame(
                {
                    "user_id": users,
                    "feature_at": tables.feature_at,
                    "spend_28d": self.spend_U * np.random.default_rng(days).normal(1, 0.05, USERS),
                }
            ),
        }
        for name, frame in frames.items():
            write(frame, folder / "marts" / f"{name}.parquet")
        (folder / "manifest.json").write_text(json.dumps(manifest()))
        SnapshotDescription(id=snapshot_id, as_of=tables.as_of).write(folder / "snapshot.json")
        CheckResults(snapshot_id=snapshot_id, passed=True).write(folder / "checks.json")
        settings.live_snapshot.flip(snapshot_id)
        settings.live_features.flip(snapshot_id)
        return snapshot_id


def write(frame: pd.DataFrame, path: Path) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = [
        field.with_type(pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field
        for field in table.schema
    ]
    pq.write_table(table.cast(pa.schema(fields)), path)


def manifest() -> dict[str, object]:
    """dbt's, of the feature view alone."""
    types = {"user_id": "varchar", "feature_at": "timestamp", "spend_28d": "double"}
    meta = {"feature_view": {"entities": ["user"], "timestamp": "feature_at", "ttl_days": 56}}
    node = {
        "resource_type": "model",
        "fqn": ["penchant", "marts", "features", VIEW],
        "name": VIEW,
        "description": "",
        "columns": {
            name: {
                "name": name,
                "data_type": kind,
                "description": "",
                "config": {"meta": {}},
                "meta": {},
                "constraints": [],
            }
            for name, kind in types.items()
        },
        "constraints": [{"type": "primary_key", "columns": ["user_id", "feature_at"]}],
        "config": {"meta": meta},
    }
    return {"nodes": {f"model.penchant.{VIEW}": node}}


def prices(tables: Tables) -> None:
    """All prices rise by 15 %."""
    last = tables.events["event_at"] >= tables.last
    tables.events.loc[last, "value"] *= 1.15


def category(tables: Tables, world: World) -> None:
    """Nobody finds one category any more."""
    gone = set(np.flatnonzero(world.category_I == world.category_I[0]))
    item = tables.events["item_id"].str.slice(1).astype(int)
    lost = (tables.events["event_at"] >= tables.last) & item.isin(gone)
    tables.events = tables.events[~lost]


def traffic(tables: Tables, world: World) -> None:
    """A campaign brings people between 19 and 24."""
    young = np.flatnonzero(world.age_U == 0)
    last = np.flatnonzero(tables.events["event_at"] >= tables.last)
    moved = last[::4]
    tables.events.iloc[moved, tables.events.columns.get_loc("user_id")] = [
        f"u{young[number % len(young)]}" for number in range(len(moved))
    ]


def nulls(tables: Tables) -> None:
    """Every twentieth purchase has no value."""
    bought = (tables.events["event_at"] >= tables.last) & (
        tables.events["event_type"] == "purchase"
    )
    lost = tables.events.index[bought][::20]
    tables.events.loc[lost, "value"] = np.nan


def clicks(tables: Tables) -> None:
    """Half of the clicks stay away."""
    late = np.flatnonzero(tables.outcomes["event_at"] >= tables.last)
    tables.outcomes = tables.outcomes.drop(tables.outcomes.index[late[::2]])


def stale(tables: Tables) -> None:
    """Features were not computed for two days."""
    tables.feature_at = tables.as_of - timedelta(days=2)


def scores(tables: Tables) -> None:
    """The model's scores fall by 30 %."""
    last = tables.impressions["shown_at"] >= tables.last
    tables.impressions.loc[last, "score"] *= 0.7


PLANTED: dict[str, tuple[Callable[..., None], str]] = {
    "prices": (prices, "purchases.relative_price"),
    "category": (category, "events.category_1"),
    "traffic": (traffic, "events.age_band"),
    "nulls": (nulls, "purchases.value: null"),
    "clicks": (clicks, "served: clicked"),
    "stale": (stale, f"features of {VIEW}: stale"),
    "scores": (scores, "served by lambdamart: score"),
}
"""Kind of drift -> what plants it, and the finding that must name it."""


def plant(kind: str, tables: Tables, world: World) -> None:
    change = PLANTED[kind][0]
    change(tables, world) if kind in ("category", "traffic") else change(tables)
