"""Prometheus metrics of requests, feedback and live artifacts.

Counted here and only rendered by ``prometheus_client``: importing Feast switches that library's own
counters to files in a temporary folder, by environment variables that child processes inherit.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import accumulate
from threading import Lock

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest

from penchant.api.http.monitoring_metrics import monitoring_metrics
from penchant.api_schemas import Fallback
from penchant.artifacts import Snapshot
from penchant.artifacts.monitoring import MonitoringRecord
from penchant.errors import PenchantError
from penchant.releases.release import Release
from penchant.settings import Settings

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
OTHER = "other"
COUNTED = {
    "impressions": "Items and ads logged as shown.",
    "events": "Events acknowledged.",
    "impressions_lost": "Items and ads shown but not logged, because the disk was full.",
    "audit_lines_lost": "Lines of the audit log lost, because the disk was full.",
    "fold_ins": "User vectors recomputed with events since the snapshot.",
}


class Metrics:
    """The metrics of one process. Labels have few values: a route's template, never a path."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._buckets: dict[str, list[int]] = {}  # for each route, requests by duration
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._counted = Counter(dict.fromkeys(COUNTED, 0))
        self._rankings: Counter[tuple[str, str]] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def record_request(self, route: str, method: str, status: int, seconds: float) -> None:
        method = method if method in METHODS else OTHER
        with self._lock:
            self._requests[route, method, str(status)] += 1
            buckets = self._buckets.setdefault(route, [0] * (len(BUCKETS) + 1))
            buckets[bisect_left(BUCKETS, seconds)] += 1
            self._seconds[route] += seconds

    def count(self, what: str, number: int) -> None:
        """Add to one of COUNTED; other names are ignored."""
        with self._lock:
            if what in COUNTED:
                self._counted[what] += number

    def count_lost(self, table: str, rows: int) -> None:
        """Rows of the feedback log that a full disk lost."""
        self.count(f"{table}_lost", rows)

    def count_fold_in(self) -> None:
        self.count("fold_ins", 1)

    def count_ranking(self, fallback: Fallback | None) -> None:
        """A request that the ranking model ranked, or could not."""
        with self._lock:
            self._rankings["precomputed" if fallback else "ranking_model", fallback or ""] += 1

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """Called by ``prometheus_client``."""
        labels = ("route", "method", "status")
        requests = CounterMetricFamily("penchant_requests", "Requests answered.", labels=labels)
        seconds = HistogramMetricFamily(
            "penchant_request_seconds",
            "Time from a request's arrival to the first byte of its response.",
            labels=("route",),
        )
        with self._lock:
            for values, number in self._requests.items():
                requests.add_metric(values, number)
            for route, counts in self._buckets.items():
                bounds = [*map(str, BUCKETS), "+Inf"]
                buckets = list(zip(bounds, accumulate(counts), strict=True))
                seconds.add_metric((route,), buckets, self._seconds[route])
            rankings = CounterMetricFamily(
                "penchant_rankings",
                "Recommendations by what ranked them, and why the ranking model did not.",
                labels=("ranked_by", "fallback"),
            )
            for ranked, number in self._rankings.items():
                rankings.add_metric(ranked, number)
            counted = [
                CounterMetricFamily(f"penchant_{name}", text, self._counted[name])
                for name, text in COUNTED.items()
            ]
        return [requests, seconds, rankings, *counted, *self._live(), *self._monitoring()]

    def _monitoring(self) -> Iterable[Metric]:
        record = None
        with suppress(PenchantError):  # of another version of Penchant
            record = MonitoringRecord.last(self._settings)
        return monitoring_metrics(record)

    def _live(self) -> Iterable[Metric]:
        """Ids and ages of what the pointers name now."""
        live = GaugeMetricFamily(
            "penchant_live",
            "1 for the live release, features and snapshot.",
            labels=("kind", "id"),
        )
        age = GaugeMetricFamily(
            "penchant_live_age_seconds",
            "Seconds since the release was published, and since the end of the snapshots' data.",
            labels=("kind",),
        )
        now = datetime.now(UTC)
        for kind, (identity, since) in self._live_artifacts().items():
            live.add_metric((kind, identity), 1)
            age.add_metric((kind,), (now - since).total_seconds())
        return live, age

    def _live_artifacts(self) -> dict[str, tuple[str, datetime]]:
        settings, found = self._settings, {}
        kinds = {
            "release": (settings.live_release, self._published),
            "features": (settings.live_features, self._data_ends),
            "snapshot": (settings.live_snapshot, self._data_ends),
        }
        for kind, (pointer, since) in kinds.items():
            if (identity := pointer.current()) is not None:
                with suppress(PenchantError):  # deleted since the pointer was read
                    found[kind] = identity, since(identity)
        return found

    def _published(self, release_id: str) -> datetime:
        return Release.open(self._settings, release_id).manifest.created_at

    def _data_ends(self, snapshot_id: str) -> datetime:
        return Snapshot.open(self._settings, snapshot_id).as_of.replace(tzinfo=UTC)
