"""A small feedback log beside the simulated shop: slates of two, and what users did."""

from datetime import datetime, timedelta
from typing import Any

from penchant.encryption import parquet as pq
from penchant.feedback.log import FeedbackLog
from penchant.settings import Settings

SLATES = 6
CANDIDATES = ("i00001", "i00002", "i00003")
FIRST = datetime(2024, 4, 10, 9)
USER_ATTRIBUTES = (
    "income_band",
    "household_size",
    "household_composition",
    "home_ownership",
    "marital_status",
    "kids_count",
)


def log_feedback(settings: Settings) -> None:
    """The user of each slate looks at what stands first and, in every other slate, buys it; the
    purchase is sent twice, and once for an impression that nobody logged."""
    log = FeedbackLog.of(settings)
    impressions, propensities, events = [], [], []
    for slate in range(SLATES):
        shown_at = FIRST + timedelta(hours=slate)
        for position, left in enumerate((CANDIDATES, CANDIDATES[1:])):
            impressions.append(impression(slate, position, left[0], 1 / len(left), shown_at))
            propensities += [
                {
                    "slate_id": f"s{slate}",
                    "position": position,
                    "candidate_id": candidate,
                    "propensity": 1 / len(left),
                    "rank": CANDIDATES.index(candidate),
                }
                for candidate in left
            ]
        events.append(event(slate, "view", shown_at))
        if slate % 2:
            events += [event(slate, "purchase", shown_at)] * 2
    events.append(event(SLATES, "purchase", FIRST))
    log.append("impressions", impressions)
    log.append("propensities", propensities)
    log.append("events", events)


def log_catalogue(settings: Settings) -> None:
    """An item of the shop with another title and price, sent twice, a user with another age, and
    two imported events, of which the first was deleted."""
    (landed,) = settings.landing.glob("simulator/items/*/batch.json")
    items = pq.read_table(landed.with_name("data.parquet"))
    (known,) = (row for row in items.to_pylist() if row["item_id"] == "i00059")
    item = known | {"price": 2.5}
    user = {"user_id": "u00079", "age_band": "99", "first_seen_at": FIRST, "received_at": FIRST}
    log = FeedbackLog.of(settings)
    for minute, title in ((1, "last title"), (0, "first title")):
        sent_at = FIRST + timedelta(minutes=minute)
        log.append("items", [item | {"title": title, "received_at": sent_at}])
    imported = [event(slate, "cart", FIRST) | {"impression_id": None} for slate in (7, 8)]
    log.append("history", imported)
    deleted = {name: imported[0][name] for name in ("event_id", "user_id")}
    log.append("deletions", [deleted | {"deleted_at": FIRST}])
    log.append("users", [dict.fromkeys(USER_ATTRIBUTES) | user])


def impression(
    slate: int, position: int, item_id: str, propensity: float, shown_at: datetime
) -> dict[str, Any]:
    return {
        "impression_id": f"m{slate}-{position}",
        "slate_id": f"s{slate}",
        "user_id": f"u{slate:05d}",
        "item_id": item_id,
        "ad_id": None,
        "placement": "home",
        "position": position,
        "policy": "uniform",
        "propensity": propensity,
        "context": None,
        "release_id": "r-000000000000",
        "score": 0.5,
        "shown_at": shown_at,
    }


def event(slate: int, event_type: str, shown_at: datetime) -> dict[str, Any]:
    return {
        "event_id": f"{event_type}-{slate}",
        "user_id": f"u{slate:05d}",
        "session_id": f"feedback-{slate}",
        "item_id": CANDIDATES[0],
        "event_type": event_type,
        "quantity": 1 if event_type == "purchase" else None,
        "value": 2.5 if event_type == "purchase" else None,
        "query": None,
        "event_at": shown_at + timedelta(minutes=1),
        "impression_id": f"m{slate}-0",
        "received_at": shown_at + timedelta(minutes=2),
    }
