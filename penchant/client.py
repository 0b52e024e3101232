"""A typed client of the HTTP API. It imports neither Feast nor PyTorch.

    with Client("http://127.0.0.1:6570", token="pk_…") as client:
        for item in client.recommendations("2470", k=5).items:
            print(item.title)

Each ``/v1`` route has a method; requests and responses are the models of ``penchant.api_schemas``.
Requests without side effects are retried if no answer comes or the server is busy or not ready
(429, 503); events, and responses that are logged as shown, only if the server did not process them.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from penchant.api_schemas import (
    Activity,
    Ads,
    AdsQuery,
    BasketCompletion,
    BasketQuery,
    Event,
    EventsReceived,
    EventsRequest,
    Features,
    FeaturesRequest,
    Portrait,
    Problem,
    Recommendations,
    RecommendationsQuery,
    SimilarItems,
    SimilarItemsQuery,
    UserQuery,
)
from penchant.errors import PenchantError, UsageError

__all__ = ["ApiError", "Client", "Event", "Unreachable", "now"]

MAX_ATTEMPTS = 3
MAX_WAIT = 5.0  # seconds before a retry; a longer Retry-After is raised
BUSY = (429, 503)
_Request = TypeVar("_Request", bound=BaseModel)
_Response = TypeVar("_Response", bound=BaseModel)


class ApiError(PenchantError):
    """An error response. ``cause`` is the detail of its problem document."""

    def __init__(self, status: int, cause: str, remedy: str, retry_after: float | None) -> None:
        super().__init__(cause, remedy)
        self.status, self.retry_after = status, retry_after


class Unreachable(PenchantError):
    """The server did not answer."""


class Client:
    """Methods raise UsageError for invalid arguments, ApiError for an error response and
    Unreachable if the server does not answer. Thread-safe.

    ``options`` are further fields of the route's query model, such as ``exclude_bought=True``.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        timeout_seconds: float = 5.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=timeout_seconds, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def recommendations(self, user_id: str, k: int = 10, **options: Any) -> Recommendations:
        """Items for a user; logged as shown."""
        query = _validated(RecommendationsQuery, user_id=user_id, k=k, **options)
        return self._get(Recommendations, "/v1/recommendations", query, logged=True)

    def similar(self, item_id: str, k: int = 10) -> SimilarItems:
        """Items similar to an item."""
        query = _validated(SimilarItemsQuery, item_id=item_id, k=k)
        return self._get(SimilarItems, "/v1/similar", query)

    def basket(self, item_ids: Iterable[str], k: int = 10, **options: Any) -> BasketCompletion:
        """Items that complete a basket; logged as shown if ``user_id`` is given."""
        query = _validated(BasketQuery, item_id=list(item_ids), k=k, **options)
        return self._get(BasketCompletion, "/v1/basket", query, logged=query.user_id is not None)

    def ads(self, user_id: str, k: int = 1, **options: Any) -> Ads:
        """Ads for a user; logged as shown."""
        query = _validated(AdsQuery, user_id=user_id, k=k, **options)
        return self._get(Ads, "/v1/ads", query, logged=True)

    def portrait(self, user_id: str) -> Portrait:
        """A user's interests."""
        return self._get(Portrait, "/v1/portrait", _validated(UserQuery, user_id=user_id))

    def activity(self, user_id: str) -> Activity:
        """A user's latest events, up to the last posted one."""
        return self._get(Activity, "/v1/activity", _validated(UserQuery, user_id=user_id))

    def features(
        self, selection: str | list[str], entities: Iterable[Mapping[str, str]]
    ) -> Features:
        """Online features. ``selection``: name of a feature service, or view:feature references."""
        selected = {"service" if isinstance(selection, str) else "features": selection}
        body = _validated(FeaturesRequest, entities=[dict(each) for each in entities], **selected)
        return self._post(Features, "/v1/features", body, retry=True)

    def send_events(self, events: Iterable[Event]) -> EventsReceived:
        """Send events: all are stored durably, or none and ApiError is raised."""
        body = _validated(EventsRequest, events=list(events))
        return self._post(EventsReceived, "/v1/events", body, retry=False)

    def _get(
        self, model: type[_Response], path: str, query: BaseModel, logged: bool = False
    ) -> _Response:
        params = query.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        response = self._send("GET", path, retry=not logged, params=params)
        return model.model_validate_json(response.content)

    def _post(self, model: type[_Response], path: str, body: BaseModel, retry: bool) -> _Response:
        response = self._send("POST", path, retry=retry, json=body.model_dump(mode="json"))
        return model.model_validate_json(response.content)

    def _send(self, method: str, path: str, retry: bool, **request: Any) -> httpx.Response:
        """``retry``: also if the server may have processed the request."""
        for left in reversed(range(MAX_ATTEMPTS)):
            try:
                response = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                if left and (retry or isinstance(error, httpx.ConnectError)):
                    continue
                raise Unreachable(
                    f"{self._http.base_url} did not answer: {error}",
                    "check the URL, and that `penchant serve` is running",
                ) from error
            if response.is_success:
                return response
            api_error = _error(response)
            wait = api_error.retry_after or 0.0
            if not left or api_error.status not in BUSY or wait > MAX_WAIT:
                raise api_error
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")


def now() -> datetime:
    """The ``event_at`` of an event that has just happened."""
    return datetime.now(UTC)


def _validated(model: type[_Request], **values: Any) -> _Request:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        errors = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        fields = ", ".join(model.model_fields)
        raise UsageError("; ".join(errors), f"pass valid values of {fields}") from error


def _error(response: httpx.Response) -> ApiError:
    retry_after = response.headers.get("retry-after", "")
    wait = float(retry_after) if retry_after.isdigit() else None
    cause, remedy = response.reason_phrase, None
    if response.headers.get("content-type") == "application/problem+json":
        problem = Problem.model_validate_json(response.content)
        cause, remedy = problem.detail, problem.remedy
    status = response.status_code
    return ApiError(status, cause, remedy or f"see HTTP status {status}", wait)
