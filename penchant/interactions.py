"""Interactions: what an event says about a user's interest in an item, and how a session is cut.

The dbt mart ``interactions`` and the API server (for events that no snapshot has yet) use the same
definition. ``penchant build`` passes ``DBT_VARIABLES`` to dbt; a test compares both row for row.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

EVENT_TYPES = ("purchase", "cart", "view", "rating")
"""Event types that count, strongest first. A search or a return is no interest in an item."""

SESSION_SQL = "session_id"
"""The session of an event in DuckDB SQL, over the columns of ``int_events``; see ``session_of``."""

CANCELLED_WITHIN = timedelta(hours=24)
"""A purchase that is returned so soon was a mistake, no interest in the item."""

MOST_PIECES = 127
"""More of an item in one session weigh no more: a reseller's order, or a mistake."""

DBT_VARIABLES: dict[str, Any] = {
    "interaction_event_types": EVENT_TYPES,
    "interaction_session": SESSION_SQL,
    "interaction_cancelled_within_hours": CANCELLED_WITHIN // timedelta(hours=1),
    "interaction_most_pieces": MOST_PIECES,
}


class ItemEvent(Protocol):
    """The columns of an event that an interaction is made of."""

    @property
    def user_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def item_id(self) -> str | None: ...
    @property
    def event_type(self) -> str: ...
    @property
    def quantity(self) -> int | None: ...
    @property
    def event_at(self) -> datetime: ...


@dataclass(frozen=True)
class Interaction:
    """One or more events of one type, by one user with one item in one session.

    ``event_at``: the first of them. ``quantity``: the sum, where a missing quantity counts 1.
    """

    user_id: str
    item_id: str
    session_id: str
    event_type: str
    event_at: datetime
    quantity: int

    @property
    def weight(self) -> float:
        """log2(1 + quantity) of ``MOST_PIECES`` at most: the tenth bottle says less than the
        first."""
        return math.log2(1 + min(max(self.quantity, 1), MOST_PIECES))


def session_of(event: ItemEvent) -> str:
    """The session of an event: the one that its source names. Equals ``SESSION_SQL``."""
    return event.session_id


def interactions(events: Iterable[ItemEvent]) -> list[Interaction]:
    """Group events by user, item, session and event type; other event types are left out, and
    purchases that were cancelled."""
    groups: dict[tuple[str, str, str, str], list[ItemEvent]] = defaultdict(list)
    for event in not_cancelled(events):
        if event.item_id is not None and event.event_type in EVENT_TYPES:
            key = (event.user_id, event.item_id, session_of(event), event.event_type)
            groups[key].append(event)
    return [
        Interaction(
            *key,
            event_at=min(event.event_at for event in group),
            quantity=sum(1 if event.quantity is None else event.quantity for event in group),
        )
        for key, group in groups.items()
    ]


def not_cancelled(events: Iterable[ItemEvent]) -> list[ItemEvent]:
    """The events without purchases that a return cancelled.

    A return cancels the latest purchase before it of the same user, item and quantity, if that is
    within ``CANCELLED_WITHIN``.
    """
    every = list(events)
    purchases: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for at, event in enumerate(every):
        if event.event_type == "purchase":
            purchases[_bought(event)].append(at)
    cancelled = set()
    for event in every:
        if event.event_type == "return":
            before = [
                at
                for at in purchases.get(_bought(event), ())
                if timedelta(0) <= event.event_at - every[at].event_at <= CANCELLED_WITHIN
            ]
            last = max(
                before, key=lambda at: (every[at].event_at, session_of(every[at])), default=-1
            )
            cancelled.add(last)
    return [event for at, event in enumerate(every) if at not in cancelled]


def _bought(event: ItemEvent) -> tuple[str, str | None, int]:
    """What a purchase and its return have in common."""
    return event.user_id, event.item_id, abs(1 if event.quantity is None else event.quantity)


def relative_strength(event_type: str, strongest: str) -> float:
    """1 for the strongest recorded type and stronger ones; 1/2, 1/4... for each weaker step."""
    steps = EVENT_TYPES.index(event_type) - EVENT_TYPES.index(strongest)
    return 0.5 ** max(0, steps)
