"""Every store that features and vectors may be in keeps the same promises; plain Feast does not.

Each promise has a companion, `test_plain_feast_...`, which shows the fault that it is about. One
that fails after an upgrade says that Feast has healed it, and that what we do about it may go.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from feature_home import ROWS, write_snapshot
from small_shop import write_features
from store_servers import Absent, postgres_server, redis_server
from test_publish import ONE, TWO, select_again

from penchant.artifacts import ReleaseManifest
from penchant.errors import DataError, PenchantError, UsageError
from penchant.features.materialize import materialize
from penchant.features.online_features import online_features
from penchant.features.repository import open_features
from penchant.publishing.publish import KEPT, publish
from penchant.releases import pgvector_index as nearest_postgres
from penchant.releases.index import build_index, open_index
from penchant.releases.release import Release
from penchant.releases.rollback import rollback
from penchant.serving.service import RecommendationService
from penchant.settings import Settings

A, B = "s-20180102-00000000000a", "s-20180102-00000000000b"


def started(server: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    try:
        with server() as where:
            yield where
    except Absent as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def redis_once() -> Iterator[str]:
    yield from started(redis_server)


@pytest.fixture(scope="module")
def postgres_once() -> Iterator[str]:
    for url in started(postgres_server):
        yield url
        nearest_postgres.close(url)


@pytest.fixture
def redis(redis_once: str) -> str:
    """Empty."""
    redis_client(redis_once).flushall()
    return redis_once


@pytest.fixture
def postgres(postgres_once: str) -> str:
    """Without our tables."""
    import psycopg

    with psycopg.connect(postgres_once) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("DROP SCHEMA IF EXISTS penchant_vectors CASCADE")
    return postgres_once


def redis_client(where: str) -> Any:
    from redis import Redis

    return Redis(port=int(where.rpartition(":")[2]))


def tables(url: str) -> set[str]:
    import psycopg

    with psycopg.connect(url) as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'penchant_vectors'"
        return {name for (name,) in connection.execute(query)}


def elsewhere(request: pytest.FixtureRequest, settings: Settings, stores: str) -> Settings:
    """Settings that put features or vectors, or both, into what ``stores`` names."""
    changed: dict[str, str] = {}
    if "redis" in stores:
        shared = settings.home.with_name("registry.db")
        changed["feast_redis"] = request.getfixturevalue("redis")
        changed["feast_registry"] = f"sqlite:///{shared}"
    if "postgres" in stores:
        changed["vector_postgres"] = request.getfixturevalue("postgres")
    return settings.model_copy(update=changed)


# --- features


@pytest.fixture(params=["files", "redis"])
def stored(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """A home whose features are in one of the stores."""
    return elsewhere(request, settings, request.param)


def spends(settings: Settings, users: list[str]) -> list[float | None]:
    rows = online_features(
        settings, ["user_statistics:spend_28d"], [{"user_id": user} for user in users]
    )
    assert [row["user_id"] for row in rows] == users
    return [row["spend_28d"] for row in rows]


def test_each_entity_gets_its_own_features(stored: Settings) -> None:
    write_snapshot(stored, A, users=300)
    materialize(stored, A)
    numbers = [number for number in range(300) if number != 3] * 2  # 3 has expired
    random.Random(0).shuffle(numbers)
    asked = [f"u{number}" for number in numbers]
    asked[7] = "nobody"
    wanted: list[float | None] = [1000.0 + number for number in numbers]
    wanted[7] = None
    assert spends(stored, asked) == wanted


def test_latest_row_is_online_for_any_row_order(stored: Settings) -> None:
    backwards = f"SELECT * FROM ({ROWS['user_statistics']}) ORDER BY feature_at DESC"
    write_snapshot(stored, A, rows={"user_statistics": backwards})
    materialize(stored, A)
    assert spends(stored, ["u1", "u2"]) == [1001.0, 1002.0]  # a day of 28 earlier adds 1/8


def test_older_rows_never_overwrite_newer_ones(stored: Settings) -> None:
    write_snapshot(stored, A, mark=1)
    write_snapshot(stored, B, mark=2)
    materialize(stored, B)
    materialize(stored, A)  # a run that was late
    newer = open_features(stored, B).get_online_features(
        ["user_statistics:spend_28d"], [{"user_id": "u1"}]
    )
    assert newer.to_dict()["spend_28d"] == [2001.0]
    assert materialize(stored, B).status == "unchanged"
    assert spends(stored, ["u1"]) == [2001.0]


def test_removed_entities_are_not_served(stored: Settings) -> None:
    write_snapshot(stored, A, users=20)
    write_snapshot(stored, B, users=10)
    materialize(stored, A)
    assert spends(stored, ["u15"]) == [1015.0]
    materialize(stored, B)
    assert spends(stored, ["u9", "u15"]) == [1009.0, None]


def test_reads_during_refresh_neither_fail_nor_mix_snapshots(stored: Settings) -> None:
    write_snapshot(stored, A, mark=1)
    write_snapshot(stored, B, mark=2)
    materialize(stored, A)
    users = [f"u{number}" for number in range(20) if number != 3]
    done, wrong, seen = threading.Event(), [], set()

    def read_on() -> None:
        last = False
        while not last:
            last = done.is_set()  # so one read is after the last refresh, however slow reads are
            try:
                marks = {int(spend or 0) // 1000 for spend in spends(stored, users)}
            except Exception as error:  # noqa: BLE001 -- whatever refuses a read counts
                wrong.append(repr(error))
            else:
                seen.update(marks)
                if marks not in ({1}, {2}):
                    wrong.append(f"mixed or empty: {marks}")

    readers = [threading.Thread(target=read_on) for _ in range(2)]
    for reader in readers:
        reader.start()
    for snapshot_id in (B, A, B, A, B):
        materialize(stored, snapshot_id)
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong, wrong[:3]
    assert 2 in seen


def test_rejects_features_in_another_store(redis: str, settings: Settings) -> None:
    shared = settings.model_copy(update={"feast_redis": redis})
    for before, after, where in ((settings, shared, "Redis"), (shared, settings, "files")):
        snapshot_id = A if before is settings else B
        write_snapshot(before, snapshot_id)
        materialize(before, snapshot_id)
        for refused in (open_features, materialize):
            with pytest.raises(UsageError, match=f"PENCHANT_FEAST_REDIS says {where}"):
                refused(after, snapshot_id)


# --- features, plain Feast

NEWER, OLDER = datetime(2018, 1, 2, tzinfo=UTC), datetime(2018, 1, 1, tzinfo=UTC)


def plain_feast(folder: Path, online_store: dict[str, Any], **view: Any) -> Any:
    """A repository with one view, as Feast's tutorial makes it; nothing of ours."""
    from penchant import feast_sdk as feast

    pd.DataFrame({"user_id": ["u1", "u2"], "at": [NEWER, NEWER], "spend": [2.0, 2.0]}).to_parquet(
        folder / "rows.parquet", coerce_timestamps="us"
    )
    config = feast.RepoConfig(
        project="plain",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store=online_store,
        offline_store={"type": "duckdb"},
        entity_key_serialization_version=3,
    )
    store = feast.FeatureStore(config=config)
    user = feast.Entity(name="user", join_keys=["user_id"], value_type=feast.ValueType.STRING)
    fields = view.pop("fields", [feast.Field(name="spend", dtype=feast.Float64)])
    source = feast.FileSource(path=str(folder / "rows.parquet"), timestamp_field="at")
    declared = feast.FeatureView(
        name="statistics", entities=[user], schema=fields, source=source, online=True
    )
    store.apply([user, declared])
    return store


def plain_sqlite(folder: Path) -> Any:
    return plain_feast(folder, {"type": "sqlite", "path": str(folder / "online.db")})


def plain_spends(store: Any) -> list[float | None]:
    asked = [{"user_id": "u1"}, {"user_id": "u2"}]
    return store.get_online_features(["statistics:spend"], asked).to_dict()["spend"]


def test_plain_feast_lets_older_events_overwrite_newer_ones(tmp_path: Path) -> None:
    store = plain_sqlite(tmp_path)
    for at, spend in ((NEWER, 2.0), (OLDER, 1.0)):
        rows = pd.DataFrame({"user_id": ["u1"], "at": [at], "spend": [spend]})
        store.write_to_online_store("statistics", df=rows)
    assert plain_spends(store)[0] == 1.0


def test_plain_feast_keeps_removed_entities(tmp_path: Path) -> None:
    store = plain_sqlite(tmp_path)
    store.materialize(OLDER, NEWER)
    rows = pd.read_parquet(tmp_path / "rows.parquet")
    rows[rows.user_id == "u1"].to_parquet(tmp_path / "rows.parquet", coerce_timestamps="us")
    store.materialize(OLDER, NEWER)
    assert plain_spends(store)[1] == 2.0


def test_plain_feast_reads_nothing_between_apply_and_materialize(tmp_path: Path) -> None:
    store = plain_sqlite(tmp_path)
    assert plain_spends(store) == [None, None]


def test_plain_feast_rejects_reads_during_refresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penchant.feast_sdk import SqliteOnlineStore

    store = plain_sqlite(tmp_path)
    store.materialize(OLDER, NEWER)
    assert plain_spends(store) == [2.0, 2.0]
    whole, refused = SqliteOnlineStore.online_write_batch, []

    def read_meanwhile(*args: Any, **kwargs: Any) -> None:
        with pytest.raises(ValueError, match="is in state 'MATERIALIZING' and cannot serve") as no:
            plain_spends(store)
        refused.append(no)
        whole(*args, **kwargs)

    monkeypatch.setattr(SqliteOnlineStore, "online_write_batch", read_meanwhile)
    store.materialize(OLDER, NEWER)
    assert refused


# --- vectors


@pytest.fixture(params=["files", "postgres"])
def indexed(request: pytest.FixtureRequest, shop: Any) -> Any:
    """A shop whose vectors are searched in one of the stores."""
    return type(shop)(elsewhere(request, shop.settings, request.param))


def test_similar_pairs_each_id_with_its_own_vector(indexed: Any) -> None:
    report = publish(indexed.settings, ONE)
    assert report.recall_at_10 == 1.0
    vectors = pa.parquet.read_table(indexed.run(1) / "item_vectors.parquet").to_pydict()
    units = np.array(vectors["vector"])
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    service = RecommendationService(indexed.settings)
    for at in (0, 7, 119):
        cosines = units @ units[at]
        nearest = np.argsort(-cosines)[1:6]
        answer = service.similar(vectors["item_id"][at], 5)
        assert [item.item_id for item in answer.items] == [vectors["item_id"][i] for i in nearest]
        assert [item.score for item in answer.items] == pytest.approx(cosines[nearest], abs=1e-5)


def test_a_large_index_finds_nearly_all_and_returns_equal_rows_and_ids(
    indexed: Any, tmp_path: Path
) -> None:
    vectors = np.random.default_rng(0).normal(size=(3000, 16)).astype(np.float32)
    ids = [f"i{number}" for number in range(len(vectors))]
    items = pa.table({"item_id": ids, "vector": vectors.tolist()})
    items = items.cast(pa.schema({"item_id": pa.string(), "vector": pa.list_(pa.float32())}))
    built = build_index(indexed.settings, tmp_path, "r-1", items, "float32")
    assert built.recall > 0.99
    manifest = ReleaseManifest.model_construct(index=built.kind, attempt="r-1")
    nearest = open_index(indexed.settings, Release("r", tmp_path, manifest))
    for at in (0, 1234, 2999):
        found = nearest.search(vectors[at], 400)
        assert len(found) == 400
        assert found[0] == (ids[at], pytest.approx(1.0, abs=1e-5))
        assert [ids[row] for row in nearest.rows(vectors[at], 400)] == [each for each, _ in found]


def test_plain_feast_pairs_ids_with_wrong_rows(postgres: str, tmp_path: Path) -> None:
    """Rows come back in the order of nearness, ids in the order of keys."""
    from penchant import feast_sdk as feast

    vector = feast.Field(
        name="vector",
        dtype=feast.Array(feast.Float32),
        vector_index=True,
        vector_length=2,
        vector_search_metric="cosine",
    )
    host, _, port = postgres.rpartition("@")[2].partition("/")[0].partition(":")
    online = {
        "type": "postgres",
        "host": host,
        "port": int(port),
        "database": "postgres",
        "user": "penchant",
        "password": "none",
        "sslmode": "disable",
        "vector_enabled": True,
    }
    fields = [feast.Field(name="spend", dtype=feast.Float64), vector]
    store = plain_feast(tmp_path, online, fields=fields)
    angles = np.array([0.9, 0.1, 0.5])
    rows = pd.DataFrame(
        {
            "user_id": ["u1", "u2", "u3"],
            "at": [NEWER] * 3,
            "spend": [1.0, 2.0, 3.0],
            "vector": np.stack([np.cos(angles), np.sin(angles)], axis=1).tolist(),
        }
    )
    store.write_to_online_store("statistics", df=rows)
    answer = store.retrieve_online_documents_v2(
        features=["statistics:spend"], query=[1.0, 0.0], top_k=3
    ).to_dict()
    assert sorted(answer["user_id"]) == ["u1", "u2", "u3"]
    right = [f"u{spend:.0f}" for spend in answer["spend"]]
    assert answer["user_id"] != right


# --- releases in stores that machines share


@pytest.fixture
def shared(request: pytest.FixtureRequest, shop: Any) -> Any:
    """A shop whose releases are in Redis, Postgres and a shared registry, features too."""
    settings = elsewhere(request, shop.settings, "redis and postgres")
    for number in (1, 2):
        path = settings.online / f"s-20180102-{number:012x}"
        (path / "online.db").unlink()
        (path / "registry.pb").unlink()
        path.rmdir()
        write_features(settings, number)
    return type(shop)(settings)


def attempts_in_redis(where: str) -> set[bytes]:
    """Of releases only: features of snapshots stay."""
    keys = redis_client(where).keys("*penchant_r_*")
    return {key[key.index(b"penchant_r_") :] for key in keys}


def test_releases_in_shared_stores_are_read_rolled_back_and_removed(shared: Any) -> None:
    settings = shared.settings
    first = publish(settings, ONE).release_id
    service = RecommendationService(settings)
    assert service.recommend("u3").release_id == first
    for number in range(KEPT):
        select_again(shared, f"{number}")
        last = publish(settings, ONE).release_id
    assert [item.item_id for item in service.similar("i007").items]
    rollback(settings)
    assert service.similar("i007").release_id not in (first, last)

    kept = {
        Release.open(settings, path.name).attempt.replace("-", "_")
        for path in settings.releases.glob("r-*")
    }
    assert len(kept) == KEPT
    assert tables(settings.vector_postgres) == kept
    assert attempts_in_redis(settings.feast_redis) == {f"penchant_{each}".encode() for each in kept}
    projects = {project.name for project in open_features(settings, ONE).list_projects()}
    assert {each for each in projects if "_r_" in each} == {f"penchant_{each}" for each in kept}


def test_a_publish_that_fails_leaves_nothing_in_shared_stores(
    shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penchant.publishing import publish as publishing

    def refuse(*_: Any) -> None:
        raise DataError("no", "none")

    monkeypatch.setattr(publishing, "_content_hash", refuse)
    with pytest.raises(DataError, match="no"):
        publish(shared.settings, TWO)
    assert tables(shared.settings.vector_postgres) == set()
    assert attempts_in_redis(shared.settings.feast_redis) == set()


def test_another_store_makes_another_release(indexed: Any) -> None:
    live = publish(indexed.settings, ONE)
    files = indexed.settings.model_copy(update={"vector_postgres": None})
    if indexed.settings.vector_postgres:
        with pytest.raises(UsageError, match="set PENCHANT_VECTOR_POSTGRES"):
            RecommendationService(files).similar("i001")
        assert publish(files, ONE).release_id != live.release_id
    assert RecommendationService(files).similar("i001").items


def test_a_postgres_that_is_not_there_is_a_clear_error(shop: Any) -> None:
    pytest.importorskip("psycopg_pool", reason="the extra `dev` has psycopg")
    gone = shop.settings.model_copy(
        update={"vector_postgres": "postgresql://penchant:secret@127.0.0.1:1/none"}
    )
    with pytest.raises(PenchantError, match="did not answer") as refused:
        publish(gone, ONE)
    assert "secret" not in str(refused.value)
    assert gone.live_release.current() is None
