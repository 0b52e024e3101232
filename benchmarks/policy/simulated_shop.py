"""A shop with the users of a simulated world with known truth, served by the platform itself.

The live release serves the users; their clicks go into the feedback log, are ingested, built into a
snapshot and learned from. Only the clock is simulated.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from penchant.artifacts import Snapshot
from penchant.bandits.slates import IntArray
from penchant.building.build import build
from penchant.features.materialize import materialize
from penchant.feedback.log import FeedbackLog
from penchant.ingestion.ingest import ingest
from penchant.publishing.publish import publish
from penchant.serving.live_policy import LivePolicies
from penchant.serving.recommending.impressions import log_shown
from penchant.serving.recommending.recommender import Recommender
from penchant.serving.service import RecommendationService
from penchant.settings import Settings
from training.commands.select_models import select_models
from training.commands.train import train
from training.simulation.world import World, WorldConfig

SLATE = 4
PURCHASES = 0.5  # share of the clicks
PRICE = 10.0
OPENS, INTERVAL = timedelta(hours=9), timedelta(seconds=20)


@dataclass(frozen=True)
class Visit:
    """``clicks``: expected of the slate shown; ``lost``: how many more the best slate of the whole
    shop would get."""

    day: int
    policy: str
    clicks: float
    lost: float


class SimulatedShop:
    """Starts at the end of a snapshot, whose users and items, ordered by id, are the world's."""

    def __init__(self, settings: Settings, snapshot_id: str, seed: int, visits: float) -> None:
        self.settings = settings
        snapshot = Snapshot.open(settings, snapshot_id)
        self._users, self._items = (
            sorted(pq.read_table(snapshot.mart(f"{name}s"))[f"{name}_id"].to_pylist())
            for name in ("user", "item")
        )
        self._opened_at = snapshot.as_of
        self._random = np.random.default_rng([seed, 2])
        self._service = RecommendationService(settings, Recommender(LivePolicies(settings)))
        self._log = FeedbackLog.of(settings)
        self._seed = seed
        self.snapshot_id = snapshot_id
        self.world = World(
            WorldConfig(
                users=len(self._users),
                items=len(self._items),
                categories=24,  # as in the simulator's catalogue
                slate=SLATE,
                visits=visits,
                arriving_items=0.0,
                arriving_users=0.0,
            ),
            seed,
        )

    def publish(self) -> str:
        """Publish a release of the snapshot, ranked by popularity."""
        materialize(self.settings, self.snapshot_id)
        train(self.settings, self.snapshot_id, "popularity")
        select_models(self.settings, self.snapshot_id)
        return publish(self.settings, self.snapshot_id).release_id

    def serve(self, days: int) -> list[Visit]:
        """Simulate days; impressions and events go into the feedback log."""
        return [visit for _ in range(days) for visit in self._day()]

    def land(self) -> str:
        """Ingest the log and build a snapshot."""
        now = self._moment() + timedelta(days=1)
        ingest(self.settings, "feedback", now=now)
        self.snapshot_id = build(self.settings).snapshot_id
        return self.snapshot_id

    def _moment(self) -> datetime:
        return self._opened_at + timedelta(days=self.world.day) + OPENS

    def _day(self) -> list[Visit]:
        world, users_B = self.world, self.world.visitors()
        rows = {item_id: row for row, item_id in enumerate(self._items)}
        shown, items_BK = [], np.zeros((len(users_B), SLATE), np.int64)
        for number, user in enumerate(users_B.tolist()):
            slate_id = f"w{self._seed}-{world.day}-{number}"
            answer = self._service.recommend(self._users[user], SLATE, slate_id=slate_id)
            at = self._moment() + number * INTERVAL
            shown.append((answer, at, log_shown(self._log, answer, "home", at)))
            items_BK[number] = [rows[item.item_id] for item in answer.items]
        requests = world.among(users_B, items_BK)
        every_BC = np.broadcast_to(np.arange(len(self._items)), (len(users_B), len(self._items)))
        best_B = world.best(world.among(users_B, every_BC))
        in_order_BK = np.broadcast_to(np.arange(SLATE), items_BK.shape)
        clicks_B = world.clicks(requests, in_order_BK).sum(axis=1)
        clicked_BK = world.answer(requests, in_order_BK)
        self._log.append("events", self._events(users_B, shown, clicked_BK))
        day = world.day
        world.next_day()
        return [
            Visit(day, answer.policy, float(clicks), float(best - clicks))
            for (answer, _, _), clicks, best in zip(shown, clicks_B, best_B, strict=True)
        ]

    def _events(
        self, users_B: IntArray, shown: list[Any], clicked_BK: np.ndarray
    ) -> list[dict[str, Any]]:
        events = []
        for number, position in np.argwhere(clicked_BK).tolist():
            answer, at, kept = shown[number]
            buys = bool(self._random.random() < PURCHASES)
            for event_type in ("view", "purchase")[: 1 + buys]:
                bought = event_type == "purchase"
                events.append(
                    {
                        "event_id": f"{event_type}-{kept.impression_ids[position]}",
                        "user_id": self._users[users_B[number]],
                        "session_id": kept.slate_id,
                        "item_id": answer.items[position].item_id,
                        "event_type": event_type,
                        "quantity": 1 if bought else None,
                        "value": PRICE if bought else None,
                        "query": None,
                        "event_at": at + timedelta(seconds=5 + 5 * bought),
                        "impression_id": kept.impression_ids[position],
                        "received_at": at + timedelta(seconds=15),
                    }
                )
        return events


def lost_by_policy(visits: list[Visit]) -> dict[str, tuple[int, float]]:
    """The number of visits that each policy served, and the clicks lost a visit."""
    policies = sorted({visit.policy for visit in visits})
    found = {name: [one.lost for one in visits if one.policy == name] for name in policies}
    return {name: (len(lost), float(np.mean(lost))) for name, lost in found.items()}
