"""What an encrypted home costs beside a plain one, from the same inputs in the same run.

Each step is measured in both homes by turns, so that other load falls on both. Times of stages are
CPU seconds of this process and its children.
"""

import os
import resource
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import Row, table
from benchmarks.serving.load import timed_calls
from benchmarks.synthetic_shop import SNAPSHOT, write_shop
from penchant.building.build import build
from penchant.encryption.duckdb_connection import connect
from penchant.encryption.keyring import establish
from penchant.encryption.parquet import read_table
from penchant.features.materialize import materialize
from penchant.features.online_features import online_features
from penchant.feedback.log import FeedbackLog
from penchant.ingestion.ingest import ingest
from penchant.privacy.encrypt import encrypt, rotate_key
from penchant.publishing.publish import publish
from penchant.quality.check import check
from penchant.serving.service import RecommendationService
from penchant.settings import Settings
from penchant.telemetry import disable_telemetry

TITLE = "Encryption at rest"
MB = 1e6
DAYS = 180  # of the simulated shop
LISTING = "SELECT title FROM read_parquet(?) WHERE item_id = ?"


def measure(
    settings: Settings, *, users: int = 500, items: int = 20_000, reads: int = 500
) -> dict[str, Any]:
    """``users``: of the simulator; ``items``: of the release that is read."""
    disable_telemetry()
    os.environ["PENCHANT_KEY"] = secrets.token_hex(32)
    with tempfile.TemporaryDirectory() as folder:
        plain, encrypted = (
            Settings(_env_file=None, home=Path(folder) / name, source="simulator", threads=1)
            for name in ("plain", "encrypted")
        )
        establish(encrypted)
        rows = stages((encrypted, plain), users, reads)
        rows += requests((encrypted, plain), items, reads)
        rows += changes(encrypted, plain)
    return {
        "shop": {"users": users, "items": items, "reads": reads},
        "rows": [row.as_dict() for row in rows],
    }


def page(figures: dict[str, Any]) -> str:
    shop = figures["shop"]
    return (
        f"Stages on {shop['users']:,} simulated users with {DAYS} days; a release of "
        f"{shop['items']:,} items, asked {shop['reads']:,} times.\n\n{table(figures['rows'])}"
    )


def stages(homes: Sequence[Settings], users: int, reads: int) -> list[Row]:
    landed = [
        cpu_seconds(lambda home=home: ingest(home, "simulator", users=users, days=DAYS))
        for home in homes
    ]
    built = [cpu_seconds(lambda home=home: build(home)) for home in homes]
    sizes = [size_mb(home.landing) + size_mb(home.snapshots) for home in homes]
    (snapshot,) = {path.name for home in homes for path in home.snapshots.glob("s-*")}
    for home in homes:
        check(home, snapshot)
    stored = [cpu_seconds(lambda home=home: materialize(home, snapshot)) for home in homes]
    user_ids = read_table(homes[0].snapshots / snapshot / "marts" / "users.parquet")["user_id"]
    drawn = np.random.default_rng(0).choice(user_ids.to_pylist(), reads)
    read = by_turns([portrait(home) for home in homes], drawn.tolist())
    return [
        beside("land, CPU", landed, "s"),
        beside("build, CPU", built, "s"),
        beside("size of batches and marts", sizes, "MB"),
        beside("write the online store and read it back, CPU", stored, "s"),
        beside("size of the online store", [size_mb(home.online) for home in homes], "MB"),
        *percentiles("read a user's portrait online", read),
    ]


def requests(homes: Sequence[Settings], items: int, reads: int) -> list[Row]:
    """A release in homes of their own, what is asked of it, and an event that is stored."""
    shops = [home.model_copy(update={"home": home.home / "shop"}) for home in homes]
    establish(shops[0])
    services, opened = [], []
    for shop in shops:
        write_shop(shop, items)
        publish(shop, SNAPSHOT)
        started = time.perf_counter()
        services.append(RecommendationService(shop))
        services[-1].recommend("u0000", 10)
        opened.append(time.perf_counter() - started)
    users = [f"u{at:04}" for at in np.random.default_rng(0).integers(0, 1000, reads)]
    asked = by_turns([lambda user, each=each: each.recommend(user, 10) for each in services], users)
    looked = by_turns([listing(shop) for shop in shops], [f"i{at:07}" for at in range(reads)])
    logged = by_turns([appending(shop) for shop in shops], users)
    sizes = [size_mb(shop.releases) for shop in shops]
    return [
        beside("open a release and recommend once", opened, "s"),
        *percentiles("recommend", asked),
        *percentiles("look an item up in a mart", looked),
        *percentiles("store an event", logged),
        beside("size of a release", sizes, "MB"),
    ]


def changes(encrypted: Settings, plain: Settings) -> list[Row]:
    size = size_mb(encrypted.home)
    rotated = cpu_seconds(lambda: rotate_key(encrypted))
    started = cpu_seconds(lambda: encrypt(plain))
    return [
        Row(f"encrypt a home of {size:,.0f} MB, CPU", started, "s"),
        Row("change its data key, CPU", rotated, "s"),
    ]


def portrait(home: Settings) -> Callable[[str], Any]:
    """Reads the features of a user by Feast, as a request for a portrait does."""
    return lambda user_id: online_features(home, "portrait", [{"user_id": user_id}])


def listing(shop: Settings) -> Callable[[str], Any]:
    mart = str(shop.snapshots / SNAPSHOT / "marts" / "items.parquet")

    def look_up(item_id: str) -> Any:
        with connect(shop.home, config={"threads": 1}) as connection:
            return connection.execute(LISTING, [mart, item_id]).fetchall()

    return look_up


def appending(shop: Settings) -> Callable[[str], Any]:
    log = FeedbackLog.of(shop)
    return lambda user_id: log.append("seen", [{"user_id": user_id, "item_id": "i0000001"}])


def by_turns(calls: Sequence[Callable[[Any], Any]], inputs: Sequence[Any]) -> list[list[float]]:
    """Milliseconds of each call; the calls take turns at the same input."""
    taken: list[list[float]] = [[] for _ in calls]
    for each in inputs:
        for place, call in enumerate(calls):
            taken[place] += timed_calls(call, [each])[0]
    return taken


def percentiles(what: str, taken: Sequence[Sequence[float]]) -> list[Row]:
    return [
        beside(f"{what}, p{at}", [float(np.percentile(each, at)) for each in taken], "ms")
        for at in (50, 99)
    ]


def beside(what: str, figures: Sequence[float], unit: str) -> Row:
    """``figures``: encrypted and plain."""
    return Row(what, figures[0], unit, peer=figures[1], peer_name="plain")


def cpu_seconds(work: Callable[[], Any]) -> float:
    def spent() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in used)

    before = spent()
    work()
    return spent() - before


def size_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / MB
