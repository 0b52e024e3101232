"""Feature reads: ours beside ``feast serve`` over the same repository, and the stores beneath."""

import importlib.util
import json
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.figures import latency_table, timed
from benchmarks.serving.open_loop import Latencies, Request, at_rate, one_by_one
from benchmarks.serving.served import beside, feast, free_port, penchant
from penchant.feast_sdk import EntityKeyProto, ValueProto, serialize_entity_key
from penchant.features.online_features import LiveFeatures
from penchant.features.request import resolve, views_of
from penchant.settings import Settings

TITLE = "Feature reads"
SERVICE = "portrait"
RATE, SECONDS = 100, 10
ALONE, WARMING_UP = 1000, 200
ROUNDS = 2  # of each server, in turn: what the machine does meanwhile meets both
SEED = 0


def measure(settings: Settings) -> dict[str, Any]:
    with beside(settings) as home:
        opened = LiveFeatures(settings).current()
        views = [view.name for view in views_of(opened.store, resolve(opened.store, SERVICE))]
        file = settings.online / opened.snapshot_id / "online.db"
        draw = random.Random(SEED)
        users = [str(at) for at in range(1, 2470)]
        asked = [draw.choice(users) for _ in range(ALONE)]
        bodies = [
            json.dumps({"feature_service": SERVICE, "entities": {"user_id": [user]}}).encode()
            for user in asked
        ]
        requests = [Request("/get-online-features", body) for body in bodies]
        repository = (settings.online / opened.snapshot_id).resolve()
        with (
            penchant(home, "/readyz") as ours,
            feast(repository) as theirs,
        ):
            ports = {"penchant serve": ours.port, "feast serve": theirs.port}
            alone: dict[str, list[Latencies]] = {name: [] for name in ports}
            loaded: dict[str, list[Latencies]] = {name: [] for name in ports}
            for _ in range(ROUNDS):
                for name, port in ports.items():
                    one_by_one(port, requests[:WARMING_UP])
                    alone[name].append(one_by_one(port, requests))
                    loaded[name].append(at_rate(port, requests[: RATE * SECONDS], RATE))
        rows = [timed(f"{name}, one by one", _together(all_)) for name, all_ in alone.items()]
        rows += [timed(f"{name}, at a rate", _together(all_)) for name, all_ in loaded.items()]
        keys = [_key(user) for user in asked]
        rows.append(timed("raw SQLite, in one process", _each(_sqlite(file, views), keys)))
        with _redis() as redis:
            if redis:
                stored = _into_redis(redis, file, views)
                rows.append(timed("raw Redis, on loopback", _each(stored, keys)))
        return {"rows": rows, "views": views, "redis": redis is not None}


def page(figures: dict[str, Any]) -> str:
    found = {row["what"]: row["milliseconds"]["p50"] for row in figures["rows"]}
    ratio = found["penchant serve, one by one"] / found["feast serve, one by one"]
    missed = "" if ratio <= 1.5 else ", missed"
    lines = [
        f"One user's `{SERVICE}`, {len(figures['views'])} views, from a live snapshot. Both "
        "servers have one worker and read the same repository in turn. The raw stores are the "
        "floor: the same rows, not decoded, without HTTP.",
        "",
        *latency_table(figures["rows"]),
        "",
        f"The median is {ratio:.2f} times that of `feast serve` (aim: at most 1.5{missed}).",
    ]
    if not figures["redis"]:
        lines.append("Redis was not there: `redis-server` or the package `redis` is missing.")
    return "\n".join(lines)


def _together(found: list[Latencies]) -> Latencies:
    return Latencies(
        np.concatenate([each.milliseconds for each in found]),
        sum(each.failed for each in found),
        sum(each.seconds for each in found),
    )


def _key(user: str) -> bytes:
    proto = EntityKeyProto(join_keys=["user_id"], entity_values=[ValueProto(string_val=user)])
    return serialize_entity_key(proto, 3)


def _each(read: Callable[[bytes], None], keys: list[bytes]) -> Latencies:
    taken = []
    for key in keys:
        begun = time.perf_counter()
        read(key)
        taken.append(time.perf_counter() - begun)
    return Latencies(1000 * np.array(taken), 0, sum(taken))


def _sqlite(file: Path, views: list[str]) -> Callable[[bytes], None]:
    connection = sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)

    def read(key: bytes) -> None:
        for view in views:
            connection.execute(f'SELECT * FROM "{view}" WHERE entity_key = ?', [key]).fetchone()

    return read


@contextmanager
def _redis() -> Iterator[Any]:
    """A client of a server that keeps nothing; None where either is missing."""
    if not shutil.which("redis-server") or importlib.util.find_spec("redis") is None:
        yield None
        return
    import redis

    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        server = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            client = redis.Redis(port=port)
            for _ in range(100):
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.05)
            yield client
        finally:
            server.terminate()
            server.wait(20)


def _into_redis(client: Any, file: Path, views: list[str]) -> Callable[[bytes], None]:
    """Put the same rows there, a hash for each key and view; reads are one round trip."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as connection:
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
