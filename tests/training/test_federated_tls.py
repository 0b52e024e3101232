"""TLS between nodes and server: bad certificates are named before Flower starts."""

import datetime
import socket
import ssl
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from certificates import LONG_AGO, write_certificates

from penchant.errors import UsageError
from training.federated.tls import Certificates, certificates_of, check_server

HOST = "127.0.0.1"


@pytest.fixture
def good(tmp_path: Path) -> Certificates:
    return write_certificates(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Certificates:
    folder = tmp_path / "other"
    folder.mkdir()
    return write_certificates(folder)


def test_certificate_that_nodes_accept(good: Certificates) -> None:
    good.check(HOST)


def test_certificate_of_another_host(good: Certificates) -> None:
    with pytest.raises(
        UsageError, match=r"server\.pem, for host 127\.0\.0\.2: IP address mismatch"
    ):
        good.check("127.0.0.2")


def test_certificate_that_expired(tmp_path: Path) -> None:
    expired = write_certificates(tmp_path, until=LONG_AGO + datetime.timedelta(days=1))
    with pytest.raises(UsageError, match="certificate has expired"):
        expired.check(HOST)


def test_certificate_of_another_authority(good: Certificates, other: Certificates) -> None:
    with pytest.raises(UsageError, match=r"server\.pem, for host 127\.0\.0\.1: "):
        replace(good, authority=other.authority).check(HOST)


def test_key_of_another_certificate(good: Certificates, other: Certificates) -> None:
    with pytest.raises(UsageError, match=r"server.pem with key .*server.key: key values mismatch"):
        replace(good, key=other.key).check(HOST)


def test_files_that_are_no_certificates(good: Certificates, tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    with pytest.raises(UsageError, match=r"authority .*text\.pem: "):
        replace(good, authority=text).check(HOST)
    with pytest.raises(UsageError, match=r"certificate .*text\.pem with key"):
        replace(good, certificate=text).check(HOST)
    with pytest.raises(UsageError, match=r"nothing\.pem: No such file"):
        replace(good, authority=tmp_path / "nothing.pem").check(HOST)


def test_a_part_of_the_files_is_refused(good: Certificates) -> None:
    assert certificates_of(None, None, None) is None
    assert certificates_of(good.certificate, good.key, good.authority) == good
    with pytest.raises(UsageError, match="got 1 of them"):
        certificates_of(good.certificate, None, None)


def listening(certificates: Certificates | None) -> str:
    """Address of a server that takes one connection, and speaks TLS where it has certificates."""
    server = socket.create_server((HOST, 0))

    def take() -> None:
        connection, _ = server.accept()
        with connection:
            if certificates is None:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.certificate, certificates.key)
            try:
                context.wrap_socket(connection, server_side=True)
            except (ssl.SSLError, ConnectionError):
                return  # the node refused

    threading.Thread(target=take, daemon=True).start()
    return f"{HOST}:{server.getsockname()[1]}"


def test_a_node_checks_the_server_that_it_finds(good: Certificates, other: Certificates) -> None:
    check_server(listening(good), good.authority)
    with pytest.raises(UsageError, match=r"server 127\.0\.0\.1:\d+, for host 127\.0\.0\.1: "):
        check_server(listening(good), other.authority)
    with pytest.raises(UsageError, match=r"wrong version number|record layer failure"):
        check_server(listening(None), good.authority)
    with socket.create_server((HOST, 0)) as server:
        unused = f"{HOST}:{server.getsockname()[1]}"
    check_server(unused, good.authority)  # starts later
