"""What methods of the clients raise."""

from __future__ import annotations

from typing import Optional


class ClientError(Exception):
    """``cause``: what is wrong. ``remedy``: what to do."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}" if remedy else cause)
        self.cause, self.remedy = cause, remedy


class ApiError(ClientError):
    """An error response. ``cause`` is the detail of its problem document; ``request_id`` finds it
    in the server's log."""

    def __init__(
        self,
        status: int,
        cause: str,
        remedy: str,
        retry_after: Optional[float] = None,
        request_id: Optional[str] = None,
    ) -> None:
        super().__init__(cause, remedy)
        self.status, self.retry_after, self.request_id = status, retry_after, request_id


class InvalidResponse(ClientError):
    """A response that lacks what its model requires: the server has another version."""


class Unreachable(ClientError):
    """The server did not answer."""
