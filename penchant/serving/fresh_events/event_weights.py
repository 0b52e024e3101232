"""Fresh events as an encoder reads them: what the marts will make of them once they land.

The marts learn from the strongest kind of event that a shop records, and leave the others out. A
weaker one that is minutes old still says something, so it counts here, halved for each step that
it is weaker: a judgement, not a measurement. It is gone when the next release is published.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

import numpy as np

from penchant.encoders.history import History
from penchant.serving.fresh_events.events import Event

STRONGEST_FIRST = ("purchase", "cart", "view", "rating")
"""As in the mart ``interactions``; searches and returns say of no item that it is wanted."""
DAY = 86_400  # seconds


def weighed(events: Iterable[Event], learned_from: str, as_of: datetime) -> History:
    """Oldest first, one for each item of a session, as in the mart ``interactions``: log2(1 + n) of
    the n pieces that it was about. ``learned_from``: the kind that the marts are made of."""
    together: dict[tuple[str, str], dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        if event.item_id is not None and event.event_type in STRONGEST_FIRST:
            together[event.session_id, event.item_id][event.event_type].append(event)
    rows = sorted(
        (
            min(event.event_at for kind in kinds.values() for event in kind),
            session_id,
            item_id,
            max(share(kind, learned_from) * _said(same) for kind, same in kinds.items()),
        )
        for (session_id, item_id), kinds in together.items()
    )
    ages = [max(0.0, (as_of - moment).total_seconds() / DAY) for moment, *_ in rows]
    return History(
        tuple(item_id for _, _, item_id, _ in rows),
        np.array(ages, np.float32),
        np.array([weight for *_, weight in rows], np.float32),
    )


def share(event_type: str, learned_from: str) -> float:
    """1 for the kind that was learned from and what is stronger; 1/2, 1/4... for what is weaker."""
    weaker = STRONGEST_FIRST.index(event_type) - STRONGEST_FIRST.index(learned_from)
    return 0.5 ** max(0, weaker)


def _said(events: list[Event]) -> float:
    pieces = sum(1 if event.quantity is None else event.quantity for event in events)
    return math.log2(1 + max(pieces, 1))
