"""Materializing: the online store equals the Parquet files, and reads see one snapshot."""

import signal
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from feature_home import write_snapshot

from penchant.api.app import create_app
from penchant.artifacts import CheckResults
from penchant.errors import UsageError
from penchant.features.materialize import materialize
from penchant.features.online_features import online_features
from penchant.features.repository import open_features, repository_config
from penchant.settings import Settings

A, B = "s-20180102-00000000000a", "s-20180102-00000000000b"


def content(settings: Settings, snapshot_id: str) -> list[str]:
    """All tables and rows of an online store, as SQL."""
    with sqlite3.connect(settings.online / snapshot_id / "online.db") as connection:
        return list(connection.iterdump())


def marks(features: dict[str, Any]) -> set[int]:
    """The snapshots that a response's values come from (see ``mark`` of ``write_snapshot``)."""
    return {
        int(features["orders_28d"]) // 1000,
        int(features["spend_28d"]) // 1000,
        int(features["top_categories"][1].removeprefix("mark")),
        int(features["top_category_weights"][1]),
    }


def test_writes_latest_row_of_each_entity(settings: Settings) -> None:
    folder = write_snapshot(settings, A)
    report = materialize(settings, A)
    assert report.status == "materialized"
    assert report.rows == {
        "user_affinities": 20,
        "user_category_statistics": 80,
        "user_statistics": 19,  # user 3 vanished longer ago than the TTL
    }
    assert settings.live_features.current() == A
    expected = duckdb.execute(
        f"SELECT user_id, orders_28d, spend_28d, is_new, date_trunc('second', last_seen_at) "
        f"FROM '{folder}/marts/user_statistics.parquet' WHERE feature_at = '2018-01-02'"
    ).fetchall()
    answered = online_features(
        settings,
        [f"user_statistics:{n}" for n in ("orders_28d", "spend_28d", "is_new", "last_seen_at")],
        [{"user_id": row[0]} for row in expected],
    )
    for row, features in zip(expected, answered, strict=True):
        seen = features["last_seen_at"]
        features["last_seen_at"] = seen and seen.replace(tzinfo=None)
        assert tuple(features[name] for name in ("user_id", "orders_28d", "spend_28d")) == row[:3]
        assert (features["is_new"], features["last_seen_at"]) == row[3:]


def test_reads_arrays_empty_arrays_expired_rows_and_unknown_users(settings: Settings) -> None:
    write_snapshot(settings, A)
    materialize(settings, A)
    usual, empty, expired, unknown = online_features(
        settings, "portrait", [{"user_id": user} for user in ("u1", "u4", "u3", "nobody")]
    )
    assert usual["top_categories"] == ["c1", "mark1"]
    assert usual["top_category_weights"] == [1.0, 1.0]
    assert empty["top_categories"] == []
    assert expired["spend_28d"] is None and expired["top_categories"] == ["c3", "mark1"]
    assert {value for name, value in unknown.items() if name != "user_id"} == {None}
    assert "secret" not in usual


def test_online_features_equal_historical_retrieval_at_as_of(settings: Settings) -> None:
    import pandas as pd

    write_snapshot(settings, A)
    materialize(settings, A)
    store = open_features(settings, A)
    service = store.get_feature_service("portrait")
    users = [f"u{number}" for number in range(20)]
    asked = pd.DataFrame(
        {"user_id": users, "event_timestamp": pd.Timestamp("2018-01-02", tz="UTC")}
    )
    then = store.get_historical_features(entity_df=asked, features=service).to_arrow().to_pylist()
    now = online_features(settings, "portrait", [{"user_id": user} for user in users])
    by_user = {row["user_id"]: row for row in then}
    for row in now:
        for name in ("orders_28d", "spend_28d", "is_new", "top_categories"):
            assert row[name] == by_user[row["user_id"]][name], (row["user_id"], name)


def test_second_run_moves_only_the_pointer(settings: Settings) -> None:
    for snapshot_id in (A, B):
        write_snapshot(settings, snapshot_id)
        materialize(settings, snapshot_id)
    before = (settings.online / A / "online.db").stat().st_mtime_ns
    assert materialize(settings, A).status == "unchanged"
    assert settings.live_features.current() == A
    assert (settings.online / "live").resolve() == (settings.online / A).resolve()
    assert (settings.online / A / "online.db").stat().st_mtime_ns == before


def test_rejects_unchecked_and_failed_snapshots(settings: Settings) -> None:
    folder = write_snapshot(settings, A)
    CheckResults(snapshot_id=folder.name, passed=False).write(folder / "checks.json")
    with pytest.raises(UsageError, match="did not pass its checks"):
        materialize(settings, A)
    (folder / "checks.json").unlink()
    with pytest.raises(UsageError, match="has not been checked"):
        materialize(settings, A)
    assert settings.live_features.current() is None


def test_invalid_reads_raise_usage_errors(settings: Settings) -> None:
    with pytest.raises(UsageError, match="no features are online"):
        online_features(settings, "portrait", [{"user_id": "u1"}])
    write_snapshot(settings, A)
    materialize(settings, A)
    with pytest.raises(UsageError, match="unknown feature service 'chat'"):
        online_features(settings, "chat", [{"user_id": "u1"}])
    with pytest.raises(UsageError, match="missing entity key user_id"):
        online_features(settings, "portrait", [{"item_id": "i1"}])
    with pytest.raises(UsageError, match="row 1 has the keys category"):
        online_features(settings, "portrait", [{"user_id": "u1"}, {"category": "c1"}])
    with pytest.raises(UsageError, match="must be a string"):
        online_features(settings, "portrait", [{"user_id": 1}])  # type: ignore[dict-item]


def test_columnar_engine_writes_the_same_as_feasts_local_engine(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penchant.features import repository as feature_repository

    write_snapshot(settings, A)
    write_snapshot(settings, B)  # the same data
    materialize(settings, A)
    template = tmp_path / "local_engine.yaml"
    ours = "penchant.features.compute_engine.ColumnarComputeEngine"
    template.write_text(feature_repository.TEMPLATE.read_text().replace(ours, "local"))
    monkeypatch.setattr(feature_repository, "TEMPLATE", template)
    materialize(settings, B)
    assert sorted(content(settings, A)) == sorted(content(settings, B))


def test_settings_replace_files_by_shared_registry_and_redis(settings: Settings) -> None:
    shared = settings.model_copy(
        update={"feast_registry": "postgresql+psycopg://db/feast", "feast_redis": "redis:6379"}
    )
    config = repository_config(shared, A, shared.online / A)
    assert config["project"] == "penchant_s_20180102_00000000000a"
    assert config["registry"]["path"] == "postgresql+psycopg://db/feast"
    assert config["online_store"] == {"type": "redis", "connection_string": "redis:6379"}
    assert config["batch_engine"] == {"type": "local"}


def test_feast_client_reads_a_copied_home_but_can_not_change_it(
    settings: Settings, tmp_path: Path
) -> None:
    from penchant.feast_sdk import FeatureStore

    write_snapshot(settings, A)
    materialize(settings, A)
    home = tmp_path / "copy"
    settings.home.rename(home)
    store = FeatureStore(repo_path=str(home / "online" / "live"))
    assert store.project == "penchant_s_20180102_00000000000a"
    assert len(store.list_feature_views()) == len(store.list_feature_services()) == 3
    with pytest.raises(PermissionError, match="read-only"):
        store.apply([], objects_to_delete=store.list_feature_views(), partial=False)
    store = FeatureStore(repo_path=str(home / "online" / "live"))
    assert len(store.list_feature_views()) == 3
    answer = store.get_online_features(
        ["user_statistics:spend_28d"], entity_rows=[{"user_id": "u1"}]
    )
    assert answer.to_dict()["spend_28d"] == [1001.0]
    past = pd.DataFrame({"user_id": ["u1"], "event_timestamp": [datetime(2018, 1, 2, tzinfo=UTC)]})
    history = store.get_historical_features(past, ["user_statistics:spend_28d"])
    assert history.to_df()["spend_28d"].tolist() == [1001.0], "its own marts: no others are left"
    for name in ("feature_store.yaml", "registry.pb"):
        written = (home / "online" / A / name).read_bytes().decode("latin-1")
        assert str(settings.home) not in written and str(tmp_path) not in written


KILLED = """
import os, signal, sys
from pathlib import Path
from penchant.features import materialize as features
from penchant.features.online_store import WideSqliteOnlineStore
from penchant.settings import Settings

whole, views = WideSqliteOnlineStore.write_table, []
def write_table(store, config, view, table):
    whole(store, config, view, table)
    views.append(view.name)
    if len(views) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
WideSqliteOnlineStore.write_table = write_table
features.materialize(Settings(_env_file=None, home=Path(sys.argv[1])), sys.argv[2])
"""


def test_killed_run_leaves_old_features_live_and_next_run_completes(settings: Settings) -> None:
    write_snapshot(settings, A, mark=1)
    write_snapshot(settings, B, mark=2)
    materialize(settings, A)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(settings.home), B], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (settings.online / B).exists()
    assert marks(online_features(settings, "portrait", [{"user_id": "u1"}])[0]) == {1}
    materialize(settings, B)
    assert marks(online_features(settings, "portrait", [{"user_id": "u1"}])[0]) == {2}
    undisturbed = settings.model_copy(update={"home": settings.home.with_name("undisturbed")})
    write_snapshot(undisturbed, B, mark=2)
    materialize(undisturbed, B)
    assert content(settings, B) == content(undisturbed, B)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def test_concurrent_reads_see_one_snapshot_during_refresh(
    settings: Settings, stack: ExitStack
) -> None:
    """Reads in Python and over HTTP; none may fail, be empty or mix two snapshots."""
    snapshots = [f"s-20180102-{number:012x}" for number in range(1, 5)]
    for mark, snapshot_id in enumerate(snapshots, start=1):
        write_snapshot(settings, snapshot_id, mark=mark)
    materialize(settings, snapshots[0])
    users = ["u1", "u2", "u6", "u7"]  # users without nulls
    client = stack.enter_context(TestClient(create_app(settings)))  # one event loop, as a server
    done = threading.Event()
    reads: list[set[int]] = []
    failures: list[str] = []

    def in_python() -> list[set[int]]:
        rows = online_features(settings, "portrait", [{"user_id": user} for user in users])
        return [marks(row) for row in rows]

    def over_http() -> list[set[int]]:
        body = {"feature_service": "portrait", "entities": {"user_id": users}}
        response = client.post("/get-online-features", json=body)
        answer = response.raise_for_status().json()
        names = answer["metadata"]["feature_names"]
        values = [result["values"] for result in answer["results"]]
        return [marks(dict(zip(names, row, strict=True))) for row in zip(*values, strict=True)]

    def hammer(read: Any) -> None:
        while not done.is_set():
            try:
                reads.append(set().union(*read()))
            except Exception:  # noqa: BLE001  any failed or empty read counts
                failures.append(traceback.format_exc())

    readers = [threading.Thread(target=hammer, args=(read,)) for read in (in_python, over_http) * 2]
    for reader in readers:
        reader.start()
    try:
        for snapshot_id in snapshots[1:] + [snapshots[number % 4] for number in range(20)]:
            materialize(settings, snapshot_id)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    mixed = [read for read in reads if len(read) != 1]
    print(f"{len(reads)} reads, {len(failures)} failed or empty, {len(mixed)} mixed")
    assert not failures, failures[:3]
    assert not mixed, mixed[:3]
    assert len(reads) > 100
    assert set().union(*reads) == {1, 2, 3, 4}
