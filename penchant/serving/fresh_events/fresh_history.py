"""Fresh events in the form that an encoder reads, weighted as those of the snapshot are.

An event type that the shop recorded before has the strength that its family tuned for it. A type
that it never recorded has none yet: such an event counts half of the type that was predicted for
each step that it is weaker, an assumption and not a measurement, and only where the same visit has
no other event with the item.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

import numpy as np

from penchant.encoders.history import History
from penchant.interactions import (
    EVENT_TYPES,
    Interaction,
    ItemEvent,
    interactions,
    relative_strength,
)

DAY = 86_400  # seconds


class Weighted(NamedTuple):
    """An event as an encoder reads it, in the order of histories."""

    event_at: datetime
    place: int
    session_id: str
    item_id: str
    weight: float


def fresh_history(
    events: Iterable[ItemEvent],
    strengths: Mapping[str, float],
    learned_from: str,
    as_of: datetime,
) -> History:
    """One user's history of fresh events, oldest first: one entry per item, session and type.

    The parameters are those of ``FoldIn``.
    """
    visits: dict[tuple[str, str], list[Interaction]] = defaultdict(list)
    for each in interactions(events):
        visits[each.session_id, each.item_id].append(each)
    rows = sorted(
        row
        for visit in visits.values()
        for row in _weighted(visit, strengths, learned_from)
        if row.weight
    )
    ages = [max(0.0, (as_of - row.event_at).total_seconds() / DAY) for row in rows]
    return History(
        tuple(row.item_id for row in rows),
        np.array(ages, np.float32),
        np.array([row.weight for row in rows], np.float32),
        np.array([row.place for row in rows], np.int64),
    )


def _weighted(
    visit: list[Interaction], strengths: Mapping[str, float], learned_from: str
) -> Iterator[Weighted]:
    """The interactions of one session with one item."""
    known = [each for each in visit if each.event_type in strengths]
    for each in known:
        yield _row(each, strengths[each.event_type])
    if not known:
        rows = [_row(each, relative_strength(each.event_type, learned_from)) for each in visit]
        strongest = max(rows, key=lambda row: row.weight)
        yield strongest._replace(event_at=min(row.event_at for row in rows))


def _row(each: Interaction, strength: float) -> Weighted:
    place = EVENT_TYPES.index(each.event_type)
    return Weighted(each.event_at, place, each.session_id, each.item_id, strength * each.weight)
