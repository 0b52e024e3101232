"""The present time, as events have it."""

from datetime import datetime, timezone


def now() -> datetime:
    """The ``event_at`` of an event that has just happened."""
    return datetime.now(timezone.utc)
