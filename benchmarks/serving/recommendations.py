"""Latency of the live release's endpoints, one by one and at 200 requests a second."""

import random
from typing import Any
from urllib.parse import quote

from benchmarks.servers import penchant_server, read_only_home
from benchmarks.serving.load import (
    Request,
    at_rate,
    bounded,
    latency_row,
    latency_table,
    one_by_one,
)
from penchant.releases.release import RANKED_LISTS, Release
from penchant.releases.rows import Rows
from penchant.settings import Settings

TITLE = "Recommendations, similar items and portraits"
RATE, SECONDS = 200, 20
ONE_BY_ONE, WARM_UP = 300, 200  # requests


def measure(settings: Settings) -> dict[str, Any]:
    with read_only_home(settings) as home:
        release = Release.open(settings, str(settings.live_release.current()))
        users, items = _ids(release, RANKED_LISTS), []
        if release.has_vectors:
            items = _ids(release, release.item_vectors)
        draw = random.Random(0)
        endpoints = {
            "recommendations": ("/v1/recommendations?user_id=", users),
            "portrait": ("/v1/portrait?user_id=", users),
            "similar": ("/v1/similar?item_id=", items),
        }
        paths = {
            name: [path + quote(draw.choice(ids)) for _ in range(RATE)]
            for name, (path, ids) in endpoints.items()
            if ids
        }
        with penchant_server(home, paths["recommendations"][0]) as server:
            rows = []
            for name, each in paths.items():
                requests = [Request(path) for path in each]
                one_by_one(server.port, requests[:WARM_UP])
                single = one_by_one(server.port, (requests * 2)[:ONE_BY_ONE])
                loaded = at_rate(server.port, requests * SECONDS, RATE)
                aims = {"p99": 25.0} if name == "recommendations" else {}
                rows.append(latency_row(f"{name}, one by one", single))
                rows.append(latency_row(f"{name}, at a rate", loaded, **aims))
            return {
                "rows": rows,
                "start_seconds": server.start_seconds,
                "resident_mb": server.resident_mb(),
                "ranker": release.manifest.ranker.family,
                "users": len(users),
                "items": len(items),
            }


def page(figures: dict[str, Any]) -> str:
    return "\n".join(
        [
            f"A live release, ranked by `{figures['ranker']}`: {figures['users']:,} users, "
            f"{figures['items']:,} items with vectors. Impressions are written to disk before the "
            "response is sent, in these figures too.",
            "",
            latency_table(figures["rows"]),
            "",
            bounded("From start to the first recommendation", figures["start_seconds"], "s", 5),
        ]
    )


def _ids(release: Release, view: Any) -> list[str]:
    return Rows.open(release.path, view).table[view.key].to_pylist()
