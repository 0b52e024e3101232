"""Tells somebody when many answers of this process are server errors."""

import time
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock, Thread

from penchant.alerts.alert import Alert, send
from penchant.settings import Settings

MINUTES = 5  # in which errors are counted
LEAST_ERRORS = 20
LEAST_SHARE = 0.02  # of the answers
PAUSE_SECONDS = 3600.0  # after an alert
EXPECTED = {HTTPStatus.SERVICE_UNAVAILABLE}  # shed load, or nothing is published yet


class ErrorAlarm:
    """Counts answers by minute. Safe to share between threads; the alert is sent by a thread of its
    own, so that a sink that hangs holds up no answer."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: seconds that never step back."""
        self._settings, self._clock = settings, clock
        self._lock = Lock()
        self._minutes: deque[list[int]] = deque(maxlen=MINUTES)  # minute, answers, errors
        self._quiet_until = float("-inf")

    def record(self, status: int) -> None:
        """Count an answer; start sending an alert if too many were errors."""
        is_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in EXPECTED
        now = self._clock()
        minute = int(now // 60)
        with self._lock:
            if not self._minutes or self._minutes[-1][0] != minute:
                self._minutes.append([minute, 0, 0])
            self._minutes[-1][1] += 1
            self._minutes[-1][2] += is_error
            if not is_error or now < self._quiet_until:
                return
            recent = [each for each in self._minutes if each[0] > minute - MINUTES]
            answers, errors = (sum(each[place] for each in recent) for place in (1, 2))
            if errors < LEAST_ERRORS or errors < LEAST_SHARE * answers:
                return
            self._quiet_until = now + PAUSE_SECONDS
        alert = Alert(
            "api-errors",
            f"{errors:,} of {answers:,} answers in {MINUTES} minutes were server errors.",
            tier="tier-1",
            runbook="`/readyz` and the log of the API server",
        )
        Thread(target=send, args=(self._settings, alert), daemon=True).start()
