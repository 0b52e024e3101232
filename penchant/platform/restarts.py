"""When a service that ended is started again: with back-off, until it has run for a while."""

from dataclasses import dataclass
from typing import Any

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0
STABLE_SECONDS = 300.0


@dataclass
class Restarts:
    """Of one service. ``count``: since it last ran for ``STABLE_SECONDS``."""

    request: dict[str, Any]
    started_at: float
    count: int = 0
    due_at: float | None = None

    def ended(self, now: float) -> None:
        """Schedule the next start."""
        if now - self.started_at >= STABLE_SECONDS:
            self.count = 0
        self.due_at = now + min(FIRST_SECONDS * 2**self.count, LONGEST_SECONDS)
        self.count += 1

    def is_due(self, now: float) -> bool:
        return self.due_at is not None and now >= self.due_at

    def started(self, now: float) -> None:
        self.started_at, self.due_at = now, None
