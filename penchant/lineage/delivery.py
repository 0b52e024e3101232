"""Where OpenLineage events go: a URL, or a file that they are appended to.

A thread sends them while the stage works. Its last event is waited for ``LAST_SECONDS`` at most, so
that an endpoint that hangs costs a stage no more.
"""

from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from urllib.request import Request, urlopen

import structlog

TIMEOUT_SECONDS = 5.0
LAST_SECONDS = 2.0

log = structlog.get_logger()


class Delivery:
    """Sends events in their order. After one that failed, the others are dropped: an endpoint that
    is not there is waited for once."""

    def __init__(self, to: str) -> None:
        """``to``: an http(s) URL, or the path of a file."""
        self._to = to
        self._waiting: SimpleQueue[str | None] = SimpleQueue()
        self._thread = Thread(target=self._send_all, name="openlineage", daemon=True)
        self._thread.start()

    def send(self, event: str) -> None:
        """``event``: JSON without line ends."""
        self._waiting.put(event)

    def close(self) -> None:
        """Wait for what was sent, a moment."""
        self._waiting.put(None)
        self._thread.join(LAST_SECONDS)
        if self._thread.is_alive():
            log.warning("lineage not delivered in time", to=self._to)

    def _send_all(self) -> None:
        while (event := self._waiting.get()) is not None:
            try:
                deliver(self._to, event)
            except (OSError, ValueError) as error:  # urllib raises subclasses of these
                log.warning("lineage not delivered", to=self._to, cause=str(error))
                return


def deliver(to: str, event: str) -> None:
    """Raises OSError where it is not taken, ValueError for an invalid URL."""
    if not to.startswith(("http://", "https://")):
        path = Path(to)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(event + "\n")
        return
    headers = {"Content-Type": "application/json"}
    request = Request(to, event.encode(), headers, method="POST")
    with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        answer.read(1)
