"""Fresh events in the form that an encoder reads, weighted as the marts will weight them.

The marts learn from the strongest event type that a shop records and leave the others out. A weaker
event that is minutes old still counts here, halved for each step that it is weaker: an assumption,
not a measurement. It no longer counts once the next release is published.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

import numpy as np

from penchant.encoders.history import History
from penchant.interactions import Interaction, ItemEvent, interactions, relative_strength

DAY = 86_400  # seconds


def fresh_history(events: Iterable[ItemEvent], learned_from: str, as_of: datetime) -> History:
    """One user's history of fresh events, oldest first: one entry per item and session.

    ``learned_from``: the event type of the mart ``interactions``.
    """
    groups: dict[tuple[str, str], list[Interaction]] = defaultdict(list)
    for each in interactions(events):
        groups[each.session_id, each.item_id].append(each)
    rows = sorted(
        (
            min(each.event_at for each in group),
            session_id,
            item_id,
            max(relative_strength(each.event_type, learned_from) * each.weight for each in group),
        )
        for (session_id, item_id), group in groups.items()
    )
    ages = [max(0.0, (as_of - event_at).total_seconds() / DAY) for event_at, *_ in rows]
    return History(
        tuple(item_id for _, _, item_id, _ in rows),
        np.array(ages, np.float32),
        np.array([weight for *_, weight in rows], np.float32),
    )
