"""Ingest killed at any step and run again leaves the bytes of an undisturbed run."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penchant.ingestion.ingest import ingest
from penchant.settings import Settings

DAYS = {
    f"2010-12-0{day}.csv": "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,"
    f"CustomerID,Country\n53636{day},A,B,{quantity},2010-12-0{day} 08:00:00,1.5,,France\n"
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
settings = Settings(_env_file=None, home=Path(sys.argv[1]), threads=1)
ingest(settings, source="online_retail", path=Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import gzip

    folder = tmp_path_factory.mktemp("by-day")
    for name, text in DAYS.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    return folder


def contents(home: Path) -> dict[str, str]:
    """Every file's hash; of those that carry the wall clock, the name alone."""
    return {
        str(path.relative_to(home)): ""
        if path.name in {"batch.json", "reason.json"}
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in home.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("step", [1, 3, 6, 7, 8, 9, 11, 13, 15])
def test_killed_and_run_again(tmp_path: Path, days: Path, step: int) -> None:
    undisturbed = Settings(_env_file=None, home=tmp_path / "whole", threads=2)
    ingest(undisturbed, source="online_retail", path=days)

    home = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, str(home), str(days), str(step)]
    killed = subprocess.run(command, capture_output=True, env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert contents(home) != contents(undisturbed.home)

    again = Settings(_env_file=None, home=home, threads=2)
    report = ingest(again, source="online_retail", path=days)
    assert len(report.landed) + len(report.unchanged) == 2
    assert len(report.quarantined) == 1
    assert contents(home) == contents(undisturbed.home)
