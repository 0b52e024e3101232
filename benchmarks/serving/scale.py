"""Publish synthetic catalogues of up to a million items, start the server on each, and load it."""

import random
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.servers import penchant_server
from benchmarks.serving.load import (
    Request,
    at_rate,
    bounded,
    latency_row,
    latency_table,
    one_by_one,
)
from benchmarks.synthetic_shop import DIMENSIONS, SNAPSHOT, USERS, write_shop
from penchant.publishing.publish import publish
from penchant.releases.release import Release
from penchant.settings import Settings

TITLE = "Large synthetic catalogues"
RATE, SECONDS = 100, 10
ONE_BY_ONE, WARM_UP = 300, 200  # requests
PUBLISH, SEARCH, START = 120.0, 50.0, 5.0  # targets: seconds, p99 in ms, seconds


def measure(settings: Settings, *, items: tuple[int, ...] = (100_000, 1_000_000)) -> dict[str, Any]:
    """``items``: sizes of the catalogues, in ascending order: the peak memory is the process's."""
    return {"catalogues": [_catalogue(count) for count in items]}


def _catalogue(items: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        home = Settings(_env_file=None, home=Path(folder) / "home")
        write_shop(home, items)
        started = time.perf_counter()
        report = publish(home, SNAPSHOT)
        seconds = time.perf_counter() - started
        release = Release.open(home, report.release_id)
        draw, count = random.Random(0), RATE * SECONDS
        similar, recommended = (
            [Request(path.format(draw.randrange(most))) for _ in range(count)]
            for path, most in (
                ("/v1/similar?item_id=i{:07}", items),
                ("/v1/recommendations?user_id=u{:04}", USERS),
            )
        )
        with penchant_server(home.home, recommended[0].path) as server:
            port = server.port
            one_by_one(port, similar[:WARM_UP])
            rows = [
                latency_row("similar, one by one", one_by_one(port, similar[:ONE_BY_ONE])),
                latency_row("similar, at a rate", at_rate(port, similar, RATE), p99=SEARCH),
                latency_row("recommendations, at a rate", at_rate(port, recommended, RATE)),
            ]
            start, resident_mb = server.start_seconds, server.resident_mb()
        size = sum(file.stat().st_size for file in release.path.rglob("*") if file.is_file())
    return {
        "items": items,
        "publish_seconds": seconds,
        "recall_at_10": report.recall_at_10,
        "index": release.manifest.index,
        "start_seconds": start,
        "resident_mb": resident_mb,
        "publish_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "release_mb": size / 2**20,
        "rows": rows,
    }


def page(figures: dict[str, Any]) -> str:
    return "\n\n".join(_section(each) for each in figures["catalogues"])


def _section(figures: dict[str, Any]) -> str:
    recall = figures["recall_at_10"]
    return "\n".join(
        [
            f"### {figures['items']:,} items\n",
            f"{figures['items']:,} synthetic vectors of {DIMENSIONS} dimensions in clusters; the "
            f"release takes {figures['release_mb']:,.0f} MB on disk.",
            "",
            bounded("Publish, verification included", figures["publish_seconds"], "s", PUBLISH),
            f"The publishing process had a peak memory of {figures['publish_peak_mb']:,.0f} MB.",
            bounded("From start to the first recommendation", figures["start_seconds"], "s", START),
            f"The server then has {figures['resident_mb']:,.0f} MB resident.",
            f"Recall@10 of the {figures['index']}: {recall:.4f} (target: at least 0.99"
            f"{'' if recall >= 0.99 else ', missed'}).",
            "",
            latency_table(figures["rows"]),
        ]
    )
