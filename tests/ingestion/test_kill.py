"""Ingest killed at any step and run again gives the same bytes as an undisturbed run."""

import gzip
import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

from penchant.ingestion.ingest import ingest
from penchant.settings import Settings

DAYS = {
    f"2010-12-0{day}.csv": "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,"
    f"CustomerID,Country\n53636{day},A,B,{quantity},2010-12-0{day} 08:00:00,1.5,17850,France\n"
    for day, quantity in [(1, 1), (2, -1), (3, 3)]  # the second is broken
}
# Kills itself at the nth call of those that change the disk: os.rename, os.mkdir, os.fsync.
KILLED = """
import os, signal, sys
from pathlib import Path
from penchant.ingestion.ingest import ingest
from penchant.settings import Settings

left = int(sys.argv[3])

def counted(call):
    def wrapper(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return wrapper

os.rename, os.mkdir, os.fsync = counted(os.rename), counted(os.mkdir), counted(os.fsync)
settings = Settings(_env_file=None, home=Path(sys.argv[1]), threads=1, key="5" * 64)
ingest(settings, source="online_retail", path=Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("by-day")
    for name, text in DAYS.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    return folder


def contents(home: Path) -> dict[str, str]:
    """Hash of every file; only the name of files with wall-clock times or nonces."""
    return {
        str(path.relative_to(home)): ""
        if path.name in {"batch.json", "reason.json", "vault.db"}
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in home.rglob("*")
        if path.is_file()
    }


# Of the 45 such calls of an undisturbed run: the key is decided on, the empty batch appears,
# a batch is whole, appears, has appeared, the broken file is whole, appears, the last appears.
STEPS = (8, 15, 21, 24, 25, 28, 35, 44)


def settings_of(home: Path) -> Settings:
    """With a given key, so that two homes have the same pseudonyms."""
    return Settings.model_validate({"home": home, "threads": 2, "key": "5" * 64})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, days: Path) -> dict[str, str]:
    home = tmp_path_factory.mktemp("undisturbed")
    ingest(settings_of(home), source="online_retail", path=days)
    return contents(home)


def assert_no_reader_sees_half_a_batch(home: Path) -> None:
    """Every match of dbt's glob, hidden directories included, is a batch."""
    seen = {path.parent.name for path in home.glob("landing/online_retail/invoices/*/*.parquet")}
    assert all(len(name) == 64 or name == "_contract" for name in seen)


@pytest.mark.parametrize("step", STEPS)
def test_killed_ingest_and_second_run_give_the_same_bytes(
    tmp_path: Path, days: Path, undisturbed: dict[str, str], step: int
) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(days), str(step)]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert contents(tmp_path) != undisturbed
    assert_no_reader_sees_half_a_batch(tmp_path)

    report = ingest(settings_of(tmp_path), source="online_retail", path=days)
    assert len(report.landed) + len(report.unchanged) == 2
    assert len(report.quarantined) == 1
    assert contents(tmp_path) == undisturbed


def test_concurrent_ingests_land_each_file_once(tmp_path: Path, days: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(days), "0"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        _, error = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, error.decode()
    assert len(list(tmp_path.glob("landing/*/*/*/batch.json"))) == 2
