"""Limits on connections, over real sockets: size and time of a request, number of connections."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import uvicorn

from penchant.api.app import create_app
from penchant.api.auth.first_token import ensure_first_token
from penchant.api.server import connection
from penchant.api.server.run import configuration
from penchant.settings import Settings

SHORT = 0.3  # seconds; the server's own limits are 10 and more
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def port(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    for limit in ("HEAD_SECONDS", "BODY_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(connection, limit, SHORT)
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 5)
    ensure_first_token(settings)
    config = configuration(create_app(settings), settings.model_copy(update={"api_port": 0}))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(5)
    assert not thread.is_alive(), "the server did not end within 5 s"


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def status(client: socket.socket, *sent: bytes) -> int:
    """The status of the response; 0 where the connection was closed without one."""
    try:
        for part in sent:
            client.sendall(part)
        answer = client.recv(200)
    except ConnectionError:
        return 0
    return int(answer.split()[1]) if answer else 0


def test_answers_a_request_in_parts_and_several_on_one_connection(port: int) -> None:
    with connected(port) as client:
        assert status(client, HEAD[:10], HEAD[10:], b"\r\n") == 200
        assert status(client, HEAD + b"\r\n") == 200


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"X-Long: " + b"a" * connection.MAX_HEAD_BYTES,
        HEAD + b"X-Long: " + b"a" * connection.MAX_HEAD_BYTES + b"\r\n\r\n",
        HEAD + b"X: 1\r\n" * (connection.MAX_HEADERS + 1) + b"\r\n",
        b"GET /" + b"a" * connection.MAX_HEAD_BYTES,
    ],
    ids=["endless header", "long header", "many headers", "long address"],
)
def test_refuses_a_large_head(port: int, sent: bytes) -> None:
    with connected(port) as client:
        assert status(client, sent) == 431


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HEAD,
        b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_ends_a_connection_that_sends_too_slowly(port: int, sent: bytes) -> None:
    with connected(port) as client:
        assert status(client, sent) == 408
        assert client.recv(1) == b""


def test_refuses_a_large_body_without_reading_it(port: int) -> None:
    head = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n"
    with connected(port) as client:
        assert status(client, head) == 413


def test_new_connections_displace_half_open_ones(port: int) -> None:
    with ExitStack() as held:
        half_open = [held.enter_context(connected(port)) for _ in range(12)]
        for client in half_open[-5:]:
            client.sendall(HEAD)
        with connected(port) as client:
            assert status(client, HEAD + b"\r\n") == 200


def test_ends_while_a_body_is_being_sent(port: int) -> None:
    """The fixture asserts that the server ends."""
    client = connected(port)
    client.sendall(b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
    os.set_inheritable(client.fileno(), False)


def test_forwarded_addresses_are_believed_of_trusted_proxies_only(settings: Settings) -> None:
    app = create_app(settings)
    assert not configuration(app, settings).proxy_headers
    behind = settings.model_copy(update={"trusted_proxies": "10.0.0.5"})
    config = configuration(app, behind)
    assert config.proxy_headers and config.forwarded_allow_ips == "10.0.0.5"
