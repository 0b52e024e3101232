"""``GET /metrics`` for Prometheus: what is asked and answered, kept and live.

The numbers are counted here and only written by ``prometheus_client``: Feast, when it is imported,
switches the counters of that to files in a temporary folder, by environment variables that later
processes inherit.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import accumulate
from threading import Lock

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest

from penchant.api.auth.access import Access
from penchant.api.auth.tokens import METRICS
from penchant.artifacts import Snapshot
from penchant.errors import PenchantError
from penchant.releases.release import Release
from penchant.settings import Settings

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
OTHER = "other"
COUNTED = {
    "impressions": "Items and ads logged as shown.",
    "events": "Events acknowledged.",
    "folds": "Users' vectors made anew with the events since the snapshot.",
}


class Metrics:
    """The numbers of one process. A label has few values: a route's template, never a path."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._within: dict[str, list[int]] = {}  # for each route, requests by bound
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._counted = Counter(dict.fromkeys(COUNTED, 0))
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        known = method if method in METHODS else OTHER
        with self._lock:
            self._requests[route, known, str(status)] += 1
            within = self._within.setdefault(route, [0] * (len(BOUNDS) + 1))
            within[bisect_left(BOUNDS, seconds)] += 1
            self._seconds[route] += seconds

    def count(self, what: str, number: int) -> None:
        """More of one of COUNTED; of other things none is counted."""
        with self._lock:
            if what in COUNTED:
                self._counted[what] += number

    def folded(self) -> None:
        self.count("folds", 1)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """What ``prometheus_client`` writes down."""
        labels = ("route", "method", "status")
        requests = CounterMetricFamily("penchant_requests", "Requests answered.", labels=labels)
        seconds = HistogramMetricFamily(
            "penchant_request_seconds",
            "From a request's arrival to its answer's first byte.",
            labels=("route",),
        )
        with self._lock:
            for of_request, number in self._requests.items():
                requests.add_metric(of_request, number)
            for route, within in self._within.items():
                bounds = [*map(str, BOUNDS), "+Inf"]
                buckets = list(zip(bounds, accumulate(within), strict=True))
                seconds.add_metric((route,), buckets, self._seconds[route])
            counted = [
                CounterMetricFamily(f"penchant_{name}", text, self._counted[name])
                for name, text in COUNTED.items()
            ]
        return [requests, seconds, *counted, *self._live()]

    def _live(self) -> Iterable[Metric]:
        """What the pointers name now, and how old that is."""
        live = GaugeMetricFamily(
            "penchant_live",
            "1 for the release and the snapshots that are live.",
            labels=("kind", "id"),
        )
        age = GaugeMetricFamily(
            "penchant_live_age_seconds",
            "Since the live release was published, and since the data of a snapshot ends.",
            labels=("kind",),
        )
        now = datetime.now(UTC)
        for kind, (identity, since) in self._found().items():
            live.add_metric((kind, identity), 1)
            age.add_metric((kind,), (now - since).total_seconds())
        return live, age

    def _found(self) -> dict[str, tuple[str, datetime]]:
        settings, found = self._settings, {}
        kinds = {
            "release": (settings.live_release, self._published),
            "features": (settings.live_features, self._data_ends),
            "snapshot": (settings.live_snapshot, self._data_ends),
        }
        for kind, (pointer, since) in kinds.items():
            if (identity := pointer.current()) is not None:
                with suppress(PenchantError):  # gone since the pointer was read
                    found[kind] = identity, since(identity)
        return found

    def _published(self, release_id: str) -> datetime:
        described = Release.open(self._settings, release_id).description
        return datetime.fromisoformat(described["created_at"])

    def _data_ends(self, snapshot_id: str) -> datetime:
        return Snapshot.open(self._settings, snapshot_id).as_of.replace(tzinfo=UTC)


def add(router: APIRouter, access: Access, metrics: Metrics) -> None:
    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        dependencies=[Depends(access.needs(METRICS))],
    )
    def prometheus() -> Response:
        """The numbers of this process, in the text format of Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)
