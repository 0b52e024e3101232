"""TLS between the nodes and Flower's server: certificates are checked before anything starts,
because Flower says of a bad one no more than that it can't connect."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from penchant.errors import UsageError

SECONDS = 10.0


@dataclass(frozen=True)
class Certificates:
    """PEM files of the server: its certificate, with its chain if it has one, its private key, and
    the certificate of the authority by which the nodes know it."""

    certificate: Path
    key: Path
    authority: Path

    def check(self, host: str) -> None:
        """Raises UsageError unless a node that connects to ``host`` accepts the certificate."""
        trusting = trusting_context(self.authority)
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            serving.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"certificate {self.certificate} with key {self.key}: {said(error)}",
                "give PEM files of a certificate and of the private key that belongs to it",
            ) from None
        to_server, to_node = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = serving.wrap_bio(to_server, to_node, server_side=True)
        node = trusting.wrap_bio(to_node, to_server, server_hostname=host)
        try:
            for side in (node, server, node, server):
                shaken(side)
        except ssl.SSLError as error:
            raise refused(f"certificate {self.certificate}", host, error) from None


def certificates_of(
    certificate: Path | None, key: Path | None, authority: Path | None
) -> Certificates | None:
    """None without any file. Raises UsageError where one of them is missing."""
    given = [certificate, key, authority]
    if certificate and key and authority:
        return Certificates(certificate, key, authority)
    if any(given):
        raise UsageError(
            "TLS needs --certificate, --certificate-key and --authority, got "
            f"{sum(each is not None for each in given)} of them",
            "pass all three, or none",
        )
    return None


def check_server(superlink: str, authority: Path) -> None:
    """Connect as a node does. Raises UsageError where the server's certificate isn't accepted, or
    it speaks without TLS; nothing where no server listens yet."""
    host, _, port = superlink.rpartition(":")
    context = trusting_context(authority)
    try:
        with (
            socket.create_connection((host, int(port)), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return
    except ssl.SSLError as error:
        raise refused(f"server {superlink}", host, error) from None
    except ConnectionResetError:
        raise UsageError(
            f"server {superlink}: ended the connection during the TLS handshake",
            "start the server with certificates, or leave --authority out",
        ) from None
    except OSError:
        return  # Flower's node waits for its server


def trusting_context(authority: Path) -> ssl.SSLContext:
    """Raises UsageError for a file that isn't a certificate."""
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"authority {authority}: {said(error)}", "give the PEM file of its certificate"
        ) from None


def shaken(side: ssl.SSLObject) -> None:
    """Go on with a handshake as far as the other side's bytes allow."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return


def refused(what: str, host: str, error: ssl.SSLError) -> UsageError:
    return UsageError(
        f"{what}, for host {host}: {said(error)}",
        "make a certificate with this host as subject alternative name, signed by the authority "
        "and not expired",
    )


def said(error: OSError) -> str:
    """OpenSSL's reason, without the place in its source."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return error.strerror or str(error)
