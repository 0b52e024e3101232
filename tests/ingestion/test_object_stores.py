"""Files of object stores: in memory behind fsspec, and of a server of S3's API, if installed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import yaml
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry, known_implementations
from own_files import EVENTS, HEADER, NOW, ROW, landed

from penchant.errors import PenchantError, UsageError
from penchant.ingestion.ingest import IngestReport, ingest
from penchant.settings import Settings


class Store(MemoryFileSystem):
    """A store whose paths begin with the bucket."""

    store: dict[str, Any] = {}  # noqa: RUF012 - fsspec's memory is of the class
    pseudo_dirs = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.rpartition("://")[2].strip("/")


def run(settings: Settings, folder: Path, path: str) -> IngestReport:
    (folder / "m.yml").write_text(yaml.safe_dump({"tables": {"events": {**EVENTS, "path": path}}}))
    return ingest(settings, "files", mapping=folder / "m.yml", now=NOW)


def put(protocol: str, path: str, number: int) -> None:
    row = ROW.replace("1,", f"{number},", 1)
    another = fsspec.filesystem(protocol, skip_instance_cache=True)
    another.pipe_file(path, (HEADER + row).encode())


def lands_once_below_its_folder(settings: Settings, folder: Path, protocol: str) -> None:
    pattern = f"{protocol}://shop/dt=*/e.csv"
    for day in (1, 2):
        put(protocol, f"shop/dt=2024-01-0{day}/e.csv", day)
    put(protocol, "shop/dt=2024-01-01/other.csv", 9)
    report = run(settings, folder, pattern)
    assert [file["original_name"] for file in report.landed] == [
        "dt=2024-01-01/e.csv",
        "dt=2024-01-02/e.csv",
    ]
    put(protocol, "shop/dt=2024-01-03/e.csv", 3)
    again = run(settings, folder, pattern)  # the listing is not the one of before
    assert (len(again.landed), len(again.unchanged)) == (1, 2)
    assert landed(settings, "event_id") == [("1",), ("2",), ("3",)]
    with pytest.raises(UsageError, match=r"events\.path matches no file: .*none"):
        run(settings, folder, f"{protocol}://shop/none-*.csv")
    with pytest.raises(UsageError, match=r"events\.path matches no file: .*none"):
        run(settings, folder, f"{protocol}://shop/none.csv")


@pytest.mark.parametrize("protocol", ["s3", "gs"])
def test_files_of_a_bucket_land_once(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    monkeypatch.setitem(_registry, protocol, Store)
    monkeypatch.setattr(Store, "store", {})
    lands_once_below_its_folder(settings, tmp_path, protocol)


@pytest.mark.parametrize("protocol", ["s3", "gs"])
def test_missing_extra_is_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    missing = {"class": "no_such_package.FileSystem", "err": "no_such_package is not installed"}
    monkeypatch.delitem(_registry, protocol, raising=False)
    monkeypatch.setitem(known_implementations, protocol, missing)
    with pytest.raises(UsageError, match=r"not installed\n.*pip install 'penchant\[objects\]'"):
        run(settings, tmp_path, f"{protocol}://shop/e.csv")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty bucket ``shop`` of a local server; AWS's variables name it."""
    pytest.importorskip("s3fs")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").mkdir("shop")
    yield
    server.stop()


def test_files_of_a_server_of_s3_land_once(
    settings: Settings, tmp_path: Path, bucket: None
) -> None:
    lands_once_below_its_folder(settings, tmp_path, "s3")
    with pytest.raises(PenchantError, match=r"events\.path"):
        run(settings, tmp_path, "s3://no-such-bucket/e.csv")
