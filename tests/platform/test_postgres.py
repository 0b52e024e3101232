"""The embedded Postgres: creation, start, locks of killed servers, the migration of its tables."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
import pytest
from patience import PATIENCE

from penchant.errors import PenchantError
from penchant.platform import airflow, postgres
from penchant.platform.airflow import migrate, run_migration
from penchant.platform.processes import marked
from penchant.platform.running import platform
from penchant.platform.services import database_service
from penchant.settings import Settings


@pytest.fixture
def running(settings: Settings) -> Iterator[Settings]:
    """Settings of a home with a running server."""
    postgres.prepare(settings)
    service = database_service(settings)
    with platform(settings) as started:
        started.start(service)
        started.wait_until_ready((service,))
        yield settings


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, "timed out"
        time.sleep(0.05)


def query(settings: Settings, database: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(postgres.connection_string(settings, database), autocommit=True) as found:
        answered = found.execute(sql)
        return answered.fetchall() if answered.description else []


def fake_migration(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Settings], list[tuple[object, ...]]]:
    """Replace ``airflow db migrate``, which takes 10 s, by one that adds a row to a table."""

    def run(settings: Settings) -> None:
        name = airflow.MIGRATING
        query(settings, name, "create table if not exists migrations (at serial, note text)")
        query(settings, name, "insert into migrations (note) values ('done')")
        if status:
            raise PenchantError("no space left", "remove files")

    monkeypatch.setattr(airflow, "run_migration", run)
    return lambda settings: query(settings, "airflow", "select count(*) from migrations")


def test_tables_are_created_once(running: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    migrations = fake_migration(0, monkeypatch)
    assert migrate(running)
    assert not migrate(running)
    assert migrations(running) == [(1,)]


def test_interrupted_migration_is_repeated(
    running: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_migration(1, monkeypatch)
    with pytest.raises(PenchantError, match="no space left"):
        migrate(running)
    migrations = fake_migration(0, monkeypatch)
    assert migrate(running)
    assert migrations(running) == [(1,)]


def test_older_tables_are_migrated_on_a_copy(
    running: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations = fake_migration(0, monkeypatch)
    migrate(running)
    monkeypatch.setattr(airflow, "version", lambda _: "9.9.9")
    fake_migration(1, monkeypatch)
    with pytest.raises(PenchantError):
        migrate(running)
    assert migrations(running) == [(1,)]
    fake_migration(0, monkeypatch)
    assert migrate(running)
    assert migrations(running) == [(2,)]


def test_failed_migration_shows_its_output(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = subprocess.CompletedProcess([], 1, "one\nconnection refused")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(PenchantError, match=r"status 1: one\nconnection refused"):
        run_migration(settings)


def test_server_restarts_after_kill_9(settings: Settings) -> None:
    service = database_service(settings)
    for number in range(2):
        postgres.prepare(settings)
        with platform(settings) as started:
            started.start(service)
            started.wait_until_ready((service,))
            if number == 0:
                query(settings, "postgres", "create table kept (id int)")
                query(settings, "postgres", "checkpoint")
                (server,) = (found for found in marked(settings.home) if found.name() == "postgres")
                server.kill()
                server.wait(PATIENCE)
            else:
                assert query(settings, "postgres", "select count(*) from kept") == [(0,)]


def test_clients_end_before_the_database(settings: Settings) -> None:
    postgres.prepare(settings)
    service = database_service(settings)
    with platform(settings) as started:
        started.start(service)
        started.wait_until_ready((service,))
        client = psycopg.connect(postgres.connection_string(settings, "postgres"))
    log = settings.home / "platform" / "logs" / "postgres.log"
    assert "received fast shutdown request" in log.read_text()
    assert "database system is shut down" in log.read_text()
    client.close()


def test_lock_of_a_reused_process_id_is_removed(settings: Settings) -> None:
    data = postgres.data_folder(settings)
    data.mkdir(parents=True)
    lock = data / "postmaster.pid"
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        lock.write_text(f"{sleeper.pid}\n{data}\n")
        postgres.remove_stale_lock(lock, data)
        assert not lock.exists()
    finally:
        sleeper.kill()
        sleeper.wait()
    lock.touch()
    server = subprocess.Popen(["tail", "-f", str(lock)])
    try:
        wait_for(lambda: str(data) in " ".join(psutil.Process(server.pid).cmdline()))
        lock.write_text(f"{server.pid}\n{data}\n")
        postgres.remove_stale_lock(lock, data)
        assert lock.exists()
    finally:
        server.kill()
        server.wait()


def test_socket_is_in_a_short_path(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    settings = Settings(_env_file=None, home=deep)
    folder = postgres.socket_folder(settings)
    assert len(str(folder)) < 90
    assert folder != postgres.socket_folder(Settings(_env_file=None, home=tmp_path / ("y" * 120)))


def test_socket_folder_of_others_is_refused(tmp_path: Path) -> None:
    opened = tmp_path / "open"
    opened.mkdir()
    opened.chmod(0o755)  # whatever the umask is
    with pytest.raises(PenchantError, match="open to others"):
        postgres.create_socket_folder(opened)


@pytest.mark.parametrize("name", ["a b ü", "a, b"])
def test_path_with_special_characters_works(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGHOST", "elsewhere")
    with TemporaryDirectory(dir="/tmp") as short:
        settings = Settings(_env_file=None, home=Path(short) / name)
        postgres.prepare(settings)
        service = database_service(settings)
        with platform(settings) as started:
            started.start(service)
            started.wait_until_ready((service,))
            assert query(settings, "postgres", "select 1") == [(1,)]
