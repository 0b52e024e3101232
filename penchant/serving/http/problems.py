"""What goes wrong over HTTP, as RFC 9457 problem documents."""

from http import HTTPStatus

from fastapi.responses import JSONResponse

PROBLEM = "application/problem+json"


class Refused(Exception):
    """A request that is answered with a problem document."""

    def __init__(
        self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def problem(
    status: HTTPStatus,
    detail: str,
    remedy: str | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """``remedy`` is our own member of the document."""
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return JSONResponse(
        body | ({"remedy": remedy} if remedy else {}), status.value, headers, media_type=PROBLEM
    )
