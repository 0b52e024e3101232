"""An HTTP connection with limits, which uvicorn's has not: on size and time of a request's head, on
the time of its body and of reading the response, and on the number of connections.

A client that sends slowly or not at all holds nothing but its connection. At the limit of
connections, the one that has kept the server waiting longest is closed for a new one, so that such
clients only displace each other.
"""

from asyncio import BaseTransport, TimerHandle
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_CONNECTIONS = 2000
MAX_HEAD_BYTES = 32 << 10
MAX_HEADERS = 100
HEAD_SECONDS = 10.0
BODY_SECONDS = 15.0
READ_SECONDS = 15.0  # for the client to read a response that doesn't fit into buffers
RETRY_SECONDS = 1
CONNECTED, HELD_BACK = "penchant.connected", "penchant.held_back"
"""ASGI extensions: functions that say whether the client is still there, and that let its
connection be closed for a new one although it has a request."""


class LimitedConnection(HttpToolsProtocol):
    """``_waiting_since``: when the server began to wait for the client, by the loop's clock; None
    while a request is processed."""

    _timer: TimerHandle | None = None
    _reading: TimerHandle | None = None
    _waiting_since: float | None = None
    _head_bytes = 0
    _in_body = False

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # a Transport, as of all sockets
        self._wait_for_client(HEAD_SECONDS)
        if len(self.connections) > MAX_CONNECTIONS and not self._displace_longest_waiting():
            self._end(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._timer is None and self._waiting_since is not None:  # kept alive, idle until now
            self._wait_for_client(HEAD_SECONDS)
        if not self._in_body:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_body and self._head_bytes > MAX_HEAD_BYTES and self._is_waiting:
            self._end(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: Any = self.scope
        scope["extensions"] = {CONNECTED: self._is_connected, HELD_BACK: self._hold_back}

    def on_headers_complete(self) -> None:
        size = sum(len(name) + len(value) for name, value in self.headers) + len(self.url)
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._end(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        self._in_body, self._head_bytes = True, 0
        self._wait_for_client(BODY_SECONDS)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:  # answered without reading it
            self.transport.close()
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.transport.is_closing():
            return
        self._in_body = False
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and not self._in_body:  # uvicorn's timer ends an idle connection
            self._waiting_since = self.loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_reading()
        self._reading = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_reading()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():  # the client doesn't read
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        """End at once where the request isn't complete: nothing has been done for it."""
        if self._is_waiting:
            self.transport.abort()
        else:
            super().shutdown()

    @property
    def _is_waiting(self) -> bool:
        return self._waiting_since is not None

    def _hold_back(self) -> None:
        self._waiting_since = self._waiting_since or self.loop.time()

    def _is_connected(self) -> bool:
        return not self.transport.is_closing()

    def _displace_longest_waiting(self) -> bool:
        """Close the connection that waits longest; False where every other one is in use."""
        waiting = [
            each
            for each in self.connections
            if isinstance(each, LimitedConnection)
            and each is not self
            and each._is_waiting
            and not each.transport.is_closing()
        ]
        if not waiting:
            return False
        min(waiting, key=lambda each: each._waiting_since or 0.0).transport.abort()
        return True

    def _wait_for_client(self, seconds: float) -> None:
        self._stop_waiting()
        self._waiting_since = self.loop.time()
        self._timer = self.loop.call_later(seconds, self._end, HTTPStatus.REQUEST_TIMEOUT)

    def _stop_waiting(self) -> None:
        self._waiting_since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _end(self, status: HTTPStatus) -> None:
        """Answer without a body, unless an answer has begun, and close."""
        if self.transport.is_closing():
            return
        answering: Any = self.cycle
        if answering is None or answering.response_complete or not answering.response_started:
            busy = status is HTTPStatus.SERVICE_UNAVAILABLE
            retry = b"retry-after: %d\r\n" % RETRY_SECONDS if busy else b""
            self.transport.write(
                STATUS_LINE[status] + retry + b"content-length: 0\r\nconnection: close\r\n\r\n"
            )
        self.transport.close()
