"""Files on servers and tables of a real Postgres, landed by a mapping."""

import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest
import yaml
from own_files import COLUMNS, EVENTS, HEADER, NOW, ROW, landed

from penchant.errors import PenchantError, UsageError
from penchant.ingestion.ingest import IngestReport, ingest
from penchant.platform.postgres import (
    accepts_connections,
    connection_string,
    prepare,
    server_command,
)
from penchant.settings import Settings


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the files in ``shop``."""
    (tmp_path / "shop").mkdir()
    handler = partial(Quiet, directory=str(tmp_path / "shop"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def postgres(settings: Settings) -> Iterator[str]:
    """The address of an empty database."""
    prepare(settings)
    url = connection_string(settings, "postgres")
    process = subprocess.Popen(
        server_command(settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not accepts_connections(url):
            assert process.poll() is None
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def run(settings: Settings, folder: Path, path: str, **keys: str) -> IngestReport:
    columns = {**COLUMNS, "value": "paid"}
    events = {**EVENTS, "columns": columns, "path": path, **keys}
    (folder / "m.yml").write_text(yaml.safe_dump({"tables": {"events": events}}))
    return ingest(settings, "files", mapping=folder / "m.yml", now=NOW)


def test_files_of_a_server_land_once(settings: Settings, tmp_path: Path, server: str) -> None:
    for day in (1, 2):
        (tmp_path / "shop" / f"e-{day}.csv").write_text(HEADER + ROW.replace("1,", f"{day},", 1))
    (tmp_path / "shop" / "other.csv").write_text("x\n")
    report = run(settings, tmp_path, f"{server}/e-*.csv")
    assert [file["original_name"] for file in report.landed] == ["e-1.csv", "e-2.csv"]
    assert landed(settings, "event_id") == [("1",), ("2",)]
    assert len(run(settings, tmp_path, f"{server}/e-2.csv?token=1").unchanged) == 1


def test_errors_of_addresses_name_the_key(settings: Settings, tmp_path: Path, server: str) -> None:
    with pytest.raises(UsageError, match=r"tables\.events\.path matches no file"):
        run(settings, tmp_path, f"{server}/none.csv")
    with pytest.raises(UsageError, match=r"tables\.events\.path matches no file"):
        run(settings, tmp_path, f"{server}/none-*.csv")
    with pytest.raises(PenchantError, match=r"tables\.events\.path: http://127.0.0.1:1/"):
        run(settings, tmp_path, "http://127.0.0.1:1/e.csv")


def test_tables_land_whole_or_since_a_watermark(
    settings: Settings, tmp_path: Path, postgres: str
) -> None:
    with psycopg.connect(postgres, autocommit=True) as database:
        database.execute(
            "CREATE TABLE orders (event_id int, user_id text, session_id text, item_id text, "
            "event_at timestamptz, paid numeric, changed timestamptz)"
        )
        row = "INSERT INTO orders VALUES (%s, 'u', 's', 'i', '2024-07-01 10:00+02', 9.5, %s)"
        database.execute(row, (1, "2024-07-01 10:00+00"))
        keys = {"from_table": "orders", "watermark": "changed"}
        run(settings, tmp_path, postgres, **keys)
        assert not run(settings, tmp_path, postgres, **keys).landed
        database.execute(row, (2, "2024-07-01 11:00+00"))
        [since] = run(settings, tmp_path, postgres, **keys).landed
        assert since["rows"] == 1
        assert since["original_name"] == "orders up to 2024-07-01 11:00:00+00.csv"
        whole = run(settings, tmp_path, postgres, from_table="public.orders")
        assert [file["rows"] for file in whole.landed] == [2]
        assert run(settings, tmp_path, postgres, from_table="public.orders").unchanged
    assert landed(settings, "event_id, hour(event_at)")[-1] == ("2", 8)
    with pytest.raises(UsageError, match='relation "none" does not exist'):
        run(settings, tmp_path, postgres, from_table="none")
    with pytest.raises(PenchantError, match=r"events\.path: the database at 127\.0\.0\.1/shop"):
        run(settings, tmp_path, "postgresql://127.0.0.1:1/shop", from_table="orders")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"path": "e.csv", "from_table": "orders"}, "from_table is of databases alone"),
        ({"path": "postgresql:///shop"}, "from_table is missing"),
    ],
)
def test_keys_of_tables_are_checked(
    settings: Settings, tmp_path: Path, keys: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run(settings, tmp_path, **keys)
