"""Feature reads: ours beside ``feast serve`` over the same repository, and the stores beneath."""

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.servers import feast_server, penchant_server, read_only_home
from benchmarks.serving.load import (
    Latencies,
    Request,
    at_rate,
    latency_row,
    latency_table,
    one_by_one,
    timed_calls,
)
from penchant.feast_sdk import EntityKeyProto, ValueProto, serialize_entity_key
from penchant.features.online_features import LiveFeatures
from penchant.features.request import resolve, views_of
from penchant.settings import Settings
from tests.serving.store_servers import Absent, redis_server

TITLE = "Feature reads"
SERVICE = "portrait"
RATE, SECONDS = 100, 10
ONE_BY_ONE, WARM_UP = 1000, 200  # requests
ROUNDS = 2  # of each server, in turn, so that other load on the machine affects both
TARGET = 1.5  # times the median of `feast serve`


def measure(settings: Settings) -> dict[str, Any]:
    with read_only_home(settings) as home:
        opened = LiveFeatures(settings).current()
        views = [view.name for view in views_of(opened.store, resolve(opened.store, SERVICE))]
        repository = (settings.online / opened.snapshot_id).resolve()
        draw, users = random.Random(0), [str(at) for at in range(1, 2470)]
        drawn = [draw.choice(users) for _ in range(ONE_BY_ONE)]
        requests = [
            Request(
                "/get-online-features",
                json.dumps({"feature_service": SERVICE, "entities": {"user_id": [user]}}).encode(),
            )
            for user in drawn
        ]
        with penchant_server(home) as ours, feast_server(repository) as theirs:
            ports = {"penchant serve": ours.port, "feast serve": theirs.port}
            single: dict[str, list[Latencies]] = {name: [] for name in ports}
            loaded: dict[str, list[Latencies]] = {name: [] for name in ports}
            for _ in range(ROUNDS):
                for name, port in ports.items():
                    one_by_one(port, requests[:WARM_UP])
                    single[name].append(one_by_one(port, requests))
                    loaded[name].append(at_rate(port, requests[: RATE * SECONDS], RATE))
        rows = [latency_row(f"{name}, one by one", *each) for name, each in single.items()]
        rows += [latency_row(f"{name}, at a rate", *each) for name, each in loaded.items()]
        keys, file = [_key(user) for user in drawn], repository / "online.db"
        rows.append(latency_row("raw SQLite, in one process", _reads(_sqlite(file, views), keys)))
        try:
            with redis_server() as address:
                stored = _into_redis(int(address.rpartition(":")[2]), file, views)
                rows.append(latency_row("raw Redis, on loopback", _reads(stored, keys)))
            redis = True
        except Absent as reason:
            print(f"Redis was not measured: {reason}")
            redis = False
        return {"rows": rows, "views": views, "redis": redis}


def page(figures: dict[str, Any]) -> str:
    found = {row["what"]: row["milliseconds"]["p50"] for row in figures["rows"]}
    ratio = found["penchant serve, one by one"] / found["feast serve, one by one"]
    missed = "" if ratio <= TARGET else ", missed"
    lines = [
        f"One user's `{SERVICE}`, {len(figures['views'])} views, from a live snapshot. Both "
        "servers have one worker and read the same repository in turn. The raw stores are the "
        "lower bound: the same rows, not decoded, without HTTP.",
        "",
        latency_table(figures["rows"]),
        "",
        f"The median is {ratio:.2f} times that of `feast serve` "
        f"(target: at most {TARGET}{missed}).",
    ]
    if not figures["redis"]:
        lines.append("Redis was not measured: `redis-server` or the package `redis` is missing.")
    return "\n".join(lines)


def _key(user: str) -> bytes:
    proto = EntityKeyProto(join_keys=["user_id"], entity_values=[ValueProto(string_val=user)])
    return serialize_entity_key(proto, 3)


def _reads(read: Callable[[bytes], None], keys: list[bytes]) -> Latencies:
    milliseconds, _ = timed_calls(read, keys)
    return Latencies(np.array(milliseconds), 0, sum(milliseconds) / 1000)


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)


def _sqlite(file: Path, views: list[str]) -> Callable[[bytes], None]:
    connection = _open(file)

    def read(key: bytes) -> None:
        for view in views:
            connection.execute(f'SELECT * FROM "{view}" WHERE entity_key = ?', [key]).fetchone()

    return read


def _into_redis(port: int, file: Path, views: list[str]) -> Callable[[bytes], None]:
    """Write the same rows, a hash for each key and view; a read is one round trip."""
    from redis import Redis

    client = Redis(port=port)
    with closing(_open(file)) as connection:
        for view in views:
            pipe = client.pipeline(transaction=False)
            for key, _, *blobs in connection.execute(f'SELECT * FROM "{view}"'):
                fields = {str(at): blob for at, blob in enumerate(blobs) if blob is not None}
                if fields:
                    pipe.hset(view.encode() + b":" + key, mapping=fields)
            pipe.execute()

    def read(key: bytes) -> None:
        pipe = client.pipeline(transaction=False)
        for view in views:
            pipe.hgetall(view.encode() + b":" + key)
        pipe.execute()

    return read
