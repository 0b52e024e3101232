"""A user's latest events and event counts since the snapshot.

The release's view ``recent_items`` has the events of the snapshot, the event log the later ones.
No event is in both.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta

from penchant.api_schemas import Activity, ActivityEvent
from penchant.releases.opened import OpenRelease
from penchant.releases.release import MAX_RECENT_ITEMS, RECENT_ITEMS
from penchant.serving.fresh_events.user_states import EventSource

EPOCH = datetime(1970, 1, 1)


def activity(opened: OpenRelease, events: EventSource, user_id: str) -> Activity:
    """A user's activity up to now."""
    fresh = events.of(user_id, opened.release.last_feedback)
    row = opened.row(RECENT_ITEMS, user_id) if opened.release.has(RECENT_ITEMS) else None
    latest = [
        _event(item_id, kind, EPOCH + timedelta(microseconds=at), fresh=False)
        for item_id, kind, at in zip(
            *((row or {}).get(name, []) for name in ("item_ids", "event_types", "event_ats")),
            strict=True,
        )
    ]
    latest += [
        _event(event.item_id, event.event_type, event.event_at, fresh=True)
        for event in fresh
        if event.item_id
    ]
    latest.sort(key=lambda event: event.event_at, reverse=True)
    times = [event.event_at for event in latest]
    times += [event.event_at.replace(tzinfo=UTC) for event in fresh]
    return Activity(
        user_id=user_id,
        release_id=opened.release.id,
        snapshot_id=opened.release.snapshot_id,
        last_event_at=max(times, default=None),
        events_since=Counter(event.event_type for event in fresh),
        latest=latest[:MAX_RECENT_ITEMS],
    )


def _event(item_id: str, event_type: str, event_at: datetime, fresh: bool) -> ActivityEvent:
    at = event_at.replace(tzinfo=UTC)
    return ActivityEvent(item_id=item_id, event_type=event_type, event_at=at, fresh=fresh)
