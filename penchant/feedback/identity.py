"""The identity of an event: clients, and their users, choose ids independently of each other.

The log has the client in the id; with the user it identifies the event, as in the dbt model
``stg_feedback__events``.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEPARATOR = "@"
CONTENT = ("session_id", "event_type", "item_id", "quantity", "value", "query", "impression_id")
"""What a client must repeat when it sends an event again. Not its time, which the server may have
set back to that of reception."""

HASH_BYTES = 8  # two of a million events have the same hash with a probability of 3e-8


def logged_id(event_id: str, client: str) -> str:
    """The id of an event in the log. ``client``: the name of its token, which rotation keeps."""
    return f"{event_id}{SEPARATOR}{client.replace(SEPARATOR, '_')}"


def sent_id(logged: str) -> str:
    """The id as its client sent it."""
    return logged.rpartition(SEPARATOR)[0] or logged


def identity_of(row: Mapping[str, Any]) -> int:
    """A hash of the identity of a row of the log."""
    return _hash([row["user_id"], row["event_id"]])


def content_of(row: Mapping[str, Any]) -> int:
    """A hash of what an event says."""
    return _hash([row.get(name) for name in CONTENT])


def _hash(values: list[Any]) -> int:
    text = json.dumps(values, default=str).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=HASH_BYTES).digest())
