"""Requests with retries, synchronous and asynchronous."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Generic, Optional, TypeVar

import anyio
import httpx

from penchant_client.errors import ApiError, InvalidResponse, Unreachable
from penchant_client.json_values import from_json, to_json

MAX_ATTEMPTS = 3
MAX_WAIT = 5.0  # seconds before a retry; a longer Retry-After is raised
BUSY = (429, 503)
PROBLEM_JSON = "application/problem+json"
T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request and the model of its answer. ``repeatable``: it may be sent again, also if the
    server may have processed it."""

    method: str
    path: str
    model: type[T]
    repeatable: bool
    query: dict[str, Any] = field(default_factory=dict)
    body: Optional[dict[str, Any]] = None

    def arguments(self) -> dict[str, Any]:
        """Of httpx; parameters that are None or empty are left out."""
        given = {"params": _query(self.query)}
        return given if self.body is None else {**given, "json": _body(self.body)}

    def answer(self, response: httpx.Response) -> T:
        try:
            value = response.json()
        except ValueError:
            raise InvalidResponse(
                f"{self.method} {self.path}: the response is not JSON", "check the URL"
            ) from None
        return from_json(self.model, value)


class Transport:
    """Sends requests. Thread-safe."""

    def __init__(
        self,
        url: str,
        token: Optional[str],
        timeout_seconds: float,
        transport: Optional[httpx.BaseTransport],
    ) -> None:
        self._http = httpx.Client(
            base_url=url, headers=_headers(token), timeout=timeout_seconds, transport=transport
        )

    def close(self) -> None:
        self._http.close()

    def send(self, call: Call[T]) -> T:
        for left in reversed(range(MAX_ATTEMPTS)):
            try:
                response = self._http.request(call.method, call.path, **call.arguments())
            except httpx.TransportError as error:
                _check_may_repeat(call, error, left, self._http.base_url)
                continue
            if response.is_success:
                return call.answer(response)
            time.sleep(_seconds_to_wait(response, left))
        raise AssertionError("the last attempt returns or raises")


class AsyncTransport:
    """Sends requests, on asyncio or trio."""

    def __init__(
        self,
        url: str,
        token: Optional[str],
        timeout_seconds: float,
        transport: Optional[httpx.AsyncBaseTransport],
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers=_headers(token), timeout=timeout_seconds, transport=transport
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        for left in reversed(range(MAX_ATTEMPTS)):
            try:
                response = await self._http.request(call.method, call.path, **call.arguments())
            except httpx.TransportError as error:
                _check_may_repeat(call, error, left, self._http.base_url)
                continue
            if response.is_success:
                return call.answer(response)
            await anyio.sleep(_seconds_to_wait(response, left))
        raise AssertionError("the last attempt returns or raises")


def _headers(token: Optional[str]) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


def _query(values: dict[str, Any]) -> dict[str, Any]:
    given = {name: to_json(value) for name, value in values.items()}
    return {name: value for name, value in given.items() if value is not None and value != []}


def _body(values: dict[str, Any]) -> dict[str, Any]:
    return {name: to_json(value) for name, value in values.items() if value is not None}


def _check_may_repeat(
    call: Call[Any], error: httpx.TransportError, left: int, url: httpx.URL
) -> None:
    """Raise Unreachable unless the request may be sent again."""
    if not left or not (call.repeatable or isinstance(error, httpx.ConnectError)):
        raise Unreachable(
            f"{url} did not answer: {error}",
            "check the URL, and that `penchant serve` is running",
        ) from error


def _seconds_to_wait(response: httpx.Response, left: int) -> float:
    """Before the next attempt. Raises ApiError if there is none."""
    error = _error(response)
    wait = error.retry_after or 0.0
    if not left or error.status not in BUSY or wait > MAX_WAIT:
        raise error
    return wait


def _error(response: httpx.Response) -> ApiError:
    given = response.headers.get("retry-after", "")
    problem: dict[str, Any] = {}
    if response.headers.get("content-type") == PROBLEM_JSON:
        problem = response.json()
    return ApiError(
        response.status_code,
        problem.get("detail", response.reason_phrase),
        problem.get("remedy") or f"see HTTP status {response.status_code}",
        float(given) if given.isdigit() else None,
        response.headers.get("x-request-id"),
    )
