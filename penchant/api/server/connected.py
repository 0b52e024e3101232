"""Whether the client of a request still waits for the response."""

from http import HTTPStatus

from fastapi import Request

from penchant.api.http.problems import HTTPProblem
from penchant.api.server.connection import CONNECTED


def require_connected(request: Request) -> None:
    """End the request where the client has disconnected: call it before logging what is shown.

    A server that doesn't say so, such as a test client, counts as connected.
    """
    is_connected = request.scope.get("extensions", {}).get(CONNECTED)
    if is_connected is not None and not is_connected():
        raise HTTPProblem(
            HTTPStatus.REQUEST_TIMEOUT, "the client has disconnected", remedy="send it again"
        )
