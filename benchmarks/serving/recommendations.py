"""What the live release of a home answers, one by one and at 200 requests a second."""

import random
from typing import Any
from urllib.parse import quote

from benchmarks.serving.figures import bounded, latency_table, timed
from benchmarks.serving.open_loop import Request, at_rate, one_by_one
from benchmarks.serving.served import beside, penchant
from penchant.releases.release import RANKED_LISTS, Release
from penchant.releases.rows import Rows
from penchant.settings import Settings

TITLE = "Recommendations, similar items and portraits"
RATE, SECONDS = 200, 20
ALONE = 300  # requests one by one
WARMING_UP = 200
SEED = 0


def measure(settings: Settings) -> dict[str, Any]:
    with beside(settings) as home:
        release = Release.open(settings, str(settings.live_release.current()))
        users, items = _ids(release)
        draw = random.Random(SEED)
        asks = {
            "recommendations": [
                f"/v1/recommendations?user_id={_any(users, draw)}" for _ in range(RATE)
            ],
            "portrait": [f"/v1/portrait?user_id={_any(users, draw)}" for _ in range(RATE)],
        }
        if items:
            asks["similar"] = [f"/v1/similar?item_id={_any(items, draw)}" for _ in range(RATE)]
        with penchant(home, asks["recommendations"][0]) as served:
            rows = []
            for name, paths in asks.items():
                requests = [Request(path) for path in paths]
                one_by_one(served.port, requests[:WARMING_UP])
                alone = one_by_one(served.port, (requests * 2)[:ALONE])
                loaded = at_rate(served.port, requests * SECONDS, RATE)
                aims = {"p99": 25.0} if name == "recommendations" else {}
                rows += [
                    timed(f"{name}, one by one", alone),
                    timed(f"{name}, at a rate", loaded, **aims),
                ]
            return {
                "rows": rows,
                "start_seconds": served.start_seconds,
                "resident_mb": served.resident_mb(),
                "ranker": release.manifest.ranker.family,
                "users": len(users),
                "items": len(items),
            }


def page(figures: dict[str, Any]) -> str:
    kept = (
        f"A live release, ranked by `{figures['ranker']}`: {figures['users']:,} users, "
        f"{figures['items']:,} items with vectors. What is recommended is on the disk as shown "
        "before it is answered, also in the figures."
    )
    start = bounded("From start to the first recommendation", figures["start_seconds"], "s", 5)
    return "\n".join([kept, "", *latency_table(figures["rows"]), "", start])


def _ids(release: Release) -> tuple[list[str], list[str]]:
    users = Rows.open(release.path, RANKED_LISTS).table[RANKED_LISTS.key].to_pylist()
    if not release.has_vectors:
        return users, []
    view = release.item_vectors
    return users, Rows.open(release.path, view).table[view.key].to_pylist()


def _any(ids: list[str], draw: random.Random) -> str:
    return quote(draw.choice(ids))
