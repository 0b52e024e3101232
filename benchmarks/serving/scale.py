"""Publish a catalogue of any size as the subcommand does, start the server over it, and ask it."""

import random
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.serving.figures import bounded, latency_table, timed
from benchmarks.serving.open_loop import Request, at_rate, one_by_one
from benchmarks.serving.served import penchant
from benchmarks.serving.shop import DIMENSIONS, SNAPSHOT, USERS, lay
from penchant.publishing.publish import publish
from penchant.releases.release import Release
from penchant.settings import Settings

RATE, SECONDS = 100, 10
ALONE, WARMING_UP = 300, 200
PUBLISH, SEARCH, START = 120.0, 50.0, 5.0  # aims: seconds, ms of p99, seconds


def measure(items: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        home = Settings(_env_file=None, home=Path(folder) / "home")
        lay(home, items)
        begun = time.perf_counter()
        report = publish(home, SNAPSHOT)
        seconds = time.perf_counter() - begun
        release = Release.open(home, report.release_id)
        draw = random.Random(0)
        similar = [
            Request(f"/v1/similar?item_id=i{draw.randrange(items):07}")
            for _ in range(RATE * SECONDS)
        ]
        recommended = [
            Request(f"/v1/recommendations?user_id=u{draw.randrange(USERS):04}")
            for _ in range(RATE * SECONDS)
        ]
        with penchant(home.home, recommended[0].path) as served:
            one_by_one(served.port, similar[:WARMING_UP])
            rows = [
                timed("similar, one by one", one_by_one(served.port, similar[:ALONE])),
                timed("similar, at a rate", at_rate(served.port, similar, RATE), p99=SEARCH),
                timed("recommendations, at a rate", at_rate(served.port, recommended, RATE)),
            ]
            start, resident_mb = served.start_seconds, served.resident_mb()
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
    recall = figures["recall_at_10"]
    return "\n".join(
        [
            f"{figures['items']:,} vectors of {DIMENSIONS} dimensions in synthetic clusters; the "
            f"release takes {figures['release_mb']:,.0f} MB on the disk.",
            "",
            bounded("Publish, with all that it verifies", figures["publish_seconds"], "s", PUBLISH),
            f"The process that published had {figures['publish_peak_mb']:,.0f} MB at its peak.",
            bounded("From start to the first recommendation", figures["start_seconds"], "s", START),
            f"The server then has {figures['resident_mb']:,.0f} MB in memory.",
            f"Recall@10 of the {figures['index']}: {recall:.4f} (aim: at least 0.99"
            f"{'' if recall >= 0.99 else ', missed'}).",
            "",
            *latency_table(figures["rows"]),
        ]
    )
