"""The identity of an event: clients, and their users, choose ids independently of each other.

The log has the client in the id; with the user it identifies the event, as in the dbt model
``stg_feedback__events``.
"""

from collections.abc import Mapping
from typing import Any

SEPARATOR = "@"
CONTENT = ("session_id", "event_type", "item_id", "quantity", "value", "query", "impression_id")
"""What a client must repeat when it sends an event again. Not its time, which the server may have
set back to that of reception."""


def logged_id(event_id: str, client: str) -> str:
    """The id of an event in the log. ``client``: the name of its token, which rotation keeps."""
    return f"{event_id}{SEPARATOR}{client.replace(SEPARATOR, '_')}"


def sent_id(logged: str) -> str:
    """The id as its client sent it."""
    return logged.rpartition(SEPARATOR)[0] or logged


def identity_of(row: Mapping[str, Any]) -> int:
    """A hash of the identity of a row of the log, for this process: of 64 bits, so that two of a
    million events have the same one with a probability of 3e-8."""
    return hash((row["user_id"], row["event_id"]))


def content_of(row: Mapping[str, Any]) -> int:
    """A hash of what an event says, for this process."""
    return hash(tuple([row.get(name) for name in CONTENT]))
