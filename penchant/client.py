"""A client of the HTTP API, for services in Python. Light: it imports neither Feast nor PyTorch.

    with Client("http://127.0.0.1:6570", token="pk_…") as client:
        for item in client.recommendations("2470", k=5).items:
            print(item.title)

Reads that leave nothing behind are tried again when the server can't be reached or says that it is
not ready; what it logs as shown, and events, are tried again only when it refused to look at them.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Self, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict

from penchant.errors import PenchantError

TRIES = 3
LONGEST_WAIT = 5.0  # seconds before another try, whatever Retry-After says
BUSY = (429, 503)
EventType = Literal["view", "search", "cart", "purchase", "return", "rating"]
_Answer = TypeVar("_Answer", bound="_Model")


class ApiError(PenchantError):
    """The server refused; ``cause`` is its problem document's detail."""

    def __init__(self, status: int, cause: str, remedy: str, retry_after: float | None) -> None:
        super().__init__(cause, remedy)
        self.status, self.retry_after = status, retry_after


class Unreachable(PenchantError):
    """No answer came."""


class _Model(BaseModel):
    """What later servers add is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Because(_Model):
    item_id: str
    title: str
    because: str
    drop: float


class RecommendedItem(_Model):
    item_id: str
    title: str
    category: str | None
    price: float | None
    score: float
    source: str
    propensity: float
    impression_id: str
    reason: Because | None


class Recommendations(_Model):
    user_id: str
    origin: str
    policy: str
    release_id: str
    snapshot_id: str
    slate_id: str
    items: list[RecommendedItem]
    reasons_by: str | None
    reasons_withheld: str | None


class SimilarItem(_Model):
    item_id: str
    title: str
    category: str | None
    score: float


class SimilarItems(_Model):
    item_id: str
    release_id: str
    snapshot_id: str
    items: list[SimilarItem]


class CompletingItem(_Model):
    item_id: str
    title: str
    category: str | None
    price: float | None
    score: float
    impression_id: str | None


class Completed(_Model):
    user_id: str | None
    origin: str
    policy: str
    release_id: str
    snapshot_id: str
    slate_id: str | None
    ignored: list[str]
    items: list[CompletingItem]


class ShownAd(_Model):
    ad_id: str
    probability: float
    seen: int
    cap: int
    impression_id: str


class ShownAds(_Model):
    user_id: str
    policy: str
    release_id: str
    snapshot_id: str
    slate_id: str
    ads: list[ShownAd]


class Interest(_Model):
    category: str
    weight: float
    low: float
    high: float
    half_life_days: float
    trend: float
    evidence: float
    transferred: float


class Portrait(_Model):
    user_id: str
    release_id: str
    snapshot_id: str
    lifecycle_stage: str
    price_band: str | None
    brand_loyalty: float | None
    segment: str | None
    evidence: float
    interests: list[Interest]


class Features(_Model):
    snapshot_id: str
    rows: list[dict[str, Any]]


class Received(_Model):
    received: int


class Event(_Model):
    """``event_id``: the caller's own; sent again it counts once. ``event_at`` has a zone."""

    event_id: str
    user_id: str
    session_id: str
    event_type: EventType
    event_at: datetime
    item_id: str | None = None
    quantity: int | None = None
    value: float | None = None
    query: str | None = None
    impression_id: str | None = None


class Client:
    """Every method raises ApiError where the server refuses, Unreachable where none answers.

    Safe to share between threads.
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
        """``options``: the route's other parameters, such as ``exclude_bought=True``."""
        asked = {"user_id": user_id, "k": k, **options}
        return self._get(Recommendations, "/v1/recommendations", asked, logged=True)

    def similar(self, item_id: str, k: int = 10) -> SimilarItems:
        return self._get(SimilarItems, "/v1/similar", {"item_id": item_id, "k": k})

    def basket(self, item_ids: Iterable[str], k: int = 10, user_id: str | None = None) -> Completed:
        """What goes with items; logged as shown where a user is named."""
        asked = {"item_id": list(item_ids), "k": k}
        asked |= {} if user_id is None else {"user_id": user_id}
        return self._get(Completed, "/v1/basket", asked, logged=user_id is not None)

    def ads(self, user_id: str, k: int = 1) -> ShownAds:
        return self._get(ShownAds, "/v1/ads", {"user_id": user_id, "k": k}, logged=True)

    def portrait(self, user_id: str) -> Portrait:
        return self._get(Portrait, "/v1/portrait", {"user_id": user_id})

    def features(self, wanted: str | list[str], entities: Iterable[Mapping[str, str]]) -> Features:
        """``wanted``: a feature service's name, or references such as view:feature."""
        named: dict[str, Any] = (
            {"service": wanted} if isinstance(wanted, str) else {"features": wanted}
        )
        body = {**named, "entities": [dict(each) for each in entities]}
        answer = self._send("POST", "/v1/features", reads=True, json=body)
        return Features.model_validate_json(answer.content)

    def send(self, events: Iterable[Event]) -> int:
        """How many are on the server's disk: all, or ApiError and none."""
        body = {"events": [each.model_dump(mode="json") for each in events]}
        answer = self._send("POST", "/v1/events", reads=False, json=body)
        return Received.model_validate_json(answer.content).received

    def _get(
        self, model: type[_Answer], path: str, asked: dict[str, Any], logged: bool = False
    ) -> _Answer:
        answer = self._send("GET", path, reads=not logged, params=asked)
        return model.model_validate_json(answer.content)

    def _send(self, method: str, path: str, reads: bool, **request: Any) -> httpx.Response:
        """The answer. ``reads``: asking twice does no more than asking once."""
        for left in reversed(range(TRIES)):
            try:
                answer = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                if left and (reads or isinstance(error, httpx.ConnectError)):
                    continue
                raise Unreachable(
                    f"{self._http.base_url} gave no answer: {error}", "is `penchant serve` running?"
                ) from error
            if answer.is_success:
                return answer
            refused = _error(answer)
            wait = refused.retry_after or 0.0
            if not left or refused.status not in BUSY or wait > LONGEST_WAIT:
                raise refused
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")


def now() -> datetime:
    """For an event that has just happened."""
    return datetime.now(UTC)


def _error(answer: httpx.Response) -> ApiError:
    retry_after = answer.headers.get("retry-after", "")
    wait = float(retry_after) if retry_after.isdigit() else None
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    problem = answer.json() if is_problem else {}
    cause = problem.get("detail", answer.reason_phrase)
    remedy = problem.get("remedy", f"the answer was HTTP {answer.status_code}")
    return ApiError(answer.status_code, cause, remedy, wait)
