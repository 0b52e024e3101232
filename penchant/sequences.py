"""The mart ``sequences`` event by event."""

import pyarrow as pa
import pyarrow.compute as pc

from penchant.interactions import EVENT_TYPES

LISTS = {
    "item_id": "item_ids",
    "event_at": "event_ats",
    "weight": "weights",
    "event_type": "event_types",
}


def events_of(sequences: pa.Table) -> pa.Table:
    """A row for each event, in the order of the mart: user_id, then the keys of ``LISTS``, then
    target_event_type."""
    columns = sequences.combine_chunks()
    rows = pc.list_parent_indices(columns["item_ids"]).combine_chunks()
    return pa.table(
        {
            "user_id": columns["user_id"].take(rows),
            **{name: pc.list_flatten(columns[mart]) for name, mart in LISTS.items()},
            "target_event_type": columns["target_event_type"].take(rows),
        }
    )


def target_events(sequences: pa.Table) -> pa.Table:
    """The rows of ``events_of`` that are of the event type that families predict."""
    events = events_of(sequences)
    return events.filter(pc.equal(events["event_type"], events["target_event_type"]))


def target_type(sequences: pa.Table) -> str:
    """The event type that families predict; the strongest of all where there are no users."""
    return str(sequences["target_event_type"][0]) if len(sequences) else EVENT_TYPES[0]
