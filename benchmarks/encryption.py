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
from shutil import rmtree
from typing import Any

import numpy as np

from benchmarks.rows import Row, table
from benchmarks.serving.load import timed_calls
from benchmarks.synthetic_shop import SNAPSHOT, write_shop
from penchant.building.build import build
from penchant.encryption.duckdb_connection import connect
from penchant.encryption.keyring import establish
from penchant.encryption.parquet import read_table
from penchant.feast_sdk import EntityKeyProto, ValueProto
from penchant.features.materialize import materialize
from penchant.features.online_features import LiveFeatures, online_features
from penchant.features.user_rows import UserRowsTable
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
ITEMS_A_READ = 100
ROUNDS = 3
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
    stored = least([[materialized(home, snapshot) for home in homes] for _ in range(ROUNDS)])
    user_ids = read_table(homes[0].snapshots / snapshot / "marts" / "users.parquet")["user_id"]
    drawn = np.random.default_rng(0).choice(user_ids.to_pylist(), reads)
    read = by_turns([portrait(home) for home in homes], drawn.tolist())
    pairs = by_turns([user_rows(home) for home in homes], drawn.tolist())
    return [
        beside("land, CPU", landed, "s"),
        beside("build, CPU", built, "s"),
        beside("size of batches and marts", sizes, "MB"),
        beside("write the online store and read it back, CPU", stored, "s"),
        beside("size of the online store", [size_mb(home.online) for home in homes], "MB"),
        *percentiles("read a user's portrait online", read),
        *percentiles("read a user's rows of items from the online store", pairs),
    ]


def requests(homes: Sequence[Settings], items: int, reads: int) -> list[Row]:
    """A release in homes of their own, what is asked of it, and an event that is stored."""
    shops = [home.model_copy(update={"home": home.home / "shop"}) for home in homes]
    establish(shops[0])
    for shop in shops:
        write_shop(shop, items)
        publish(shop, SNAPSHOT)
    opened = least([[opening(shop) for shop in shops] for _ in range(ROUNDS)])
    services = [RecommendationService(shop) for shop in shops]
    users = [f"u{at:04}" for at in np.random.default_rng(0).integers(0, 1000, reads)]
    asked = by_turns([lambda user, each=each: each.recommend(user, 10) for each in services], users)
    keys = [EntityKeyProto(join_keys=["item_id"], entity_values=[_text(at)]) for at in range(items)]
    drawn_RA = np.random.default_rng(1).integers(0, items, (reads, ITEMS_A_READ))
    asked_for = [[keys[at] for at in row] for row in drawn_RA.tolist()]
    rows = by_turns([stored_rows(shop) for shop in shops], asked_for)
    looked = by_turns([listing(shop) for shop in shops], [f"i{at:07}" for at in range(reads)])
    logged = by_turns([appending(shop) for shop in shops], users)
    sizes = [size_mb(shop.releases) for shop in shops]
    return [
        beside("open a release and recommend once", opened, "s"),
        *percentiles("recommend", asked),
        *percentiles(f"read features of {ITEMS_A_READ} items from the online store", rows),
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


def least(rounds: Sequence[Sequence[float]]) -> list[float]:
    """The least of each home: whichever home comes first pays for imports."""
    return [min(each) for each in zip(*rounds, strict=True)]


def materialized(home: Settings, snapshot: str) -> float:
    rmtree(home.online, ignore_errors=True)
    return cpu_seconds(lambda: materialize(home, snapshot))


def opening(shop: Settings) -> float:
    started = time.perf_counter()
    RecommendationService(shop).recommend("u0000", 10)
    return time.perf_counter() - started


def portrait(home: Settings) -> Callable[[str], Any]:
    """Reads the features of a user by Feast, as a request for a portrait does."""
    return lambda user_id: online_features(home, "portrait", [{"user_id": user_id}])


def user_rows(home: Settings) -> Callable[[str], Any]:
    """Reads the rows of a user with all items by the store alone, as ranking does."""
    store = LiveFeatures(home).current().store
    table = UserRowsTable.of(store.get_feature_view("user_item_statistics"))
    online_store = store._get_provider().online_store
    return lambda user_id: online_store.read_user(store.config, table, user_id)


def stored_rows(shop: Settings) -> Callable[[list[EntityKeyProto]], Any]:
    """Reads rows of items by the store alone."""
    store = LiveFeatures(shop).current().store
    view, online_store = store.get_feature_view("item_profile"), store._get_provider().online_store
    return lambda keys: online_store.online_read(store.config, view, keys)


def _text(item: int) -> ValueProto:
    return ValueProto(string_val=f"i{item:07}")


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
