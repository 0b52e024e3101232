"""ASGI middleware that answers only requests for this server's own names.

A page of another site can point its name at this machine (DNS rebinding). Its requests then have
that name in their Host header, which is matched exactly. An address is accepted as it is: a page
can't give its own site another's address as a name.
"""

import ipaddress
import re
from http import HTTPStatus
from typing import Any

from penchant.api.http.problems import problem_response
from penchant.settings import Settings

HOST = re.compile(r"(?P<name>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
MAX_PORT = 65_535
PROBES = frozenset({"/healthz", "/livez", "/readyz"})
"""Paths without data. Probes of load balancers send any Host, or none."""


class AllowedHosts:
    """400 for a missing, repeated or invalid Host; 421 for the name of another server.

    ``localhost``, addresses and the names in ``PENCHANT_API_HOSTNAMES`` are allowed.
    """

    def __init__(self, app: Any, settings: Settings) -> None:
        self._app = app
        self._names = frozenset(
            {"localhost", *(name.lower() for name in settings.hostnames), settings.api_host.lower()}
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] not in PROBES:
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            problem = self._problem(hosts)
            if problem is not None:
                status, detail = problem
                remedy = "use its address, or add the name to PENCHANT_API_HOSTNAMES of the server"
                await problem_response(status, detail, remedy)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _problem(self, hosts: list[bytes]) -> tuple[HTTPStatus, str] | None:
        if len(hosts) != 1:
            return HTTPStatus.BAD_REQUEST, f"the request has {len(hosts)} Host headers, not one"
        text = hosts[0].decode("latin-1")
        found = HOST.fullmatch(text.lower())
        if found is None or int(found["port"] or 0) > MAX_PORT:
            return HTTPStatus.BAD_REQUEST, f"invalid Host header {text[:100]!r}"
        if found["name"] in self._names or _is_address(found["name"]):
            return None
        return HTTPStatus.MISDIRECTED_REQUEST, f"this server is not {text[:100]!r}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
