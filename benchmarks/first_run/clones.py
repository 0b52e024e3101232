"""A fresh clone of the project, demos in it, and load beside them."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.servers import BIN, free_port
from penchant.settings import Settings

BUSY_LOOP = "while True: pass"
# 1 MB, written through to the disk, again and again
DISK_LOOP = """
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
while True:
    os.pwrite(file, bytes(2**20), 0)
    os.fsync(file)
"""
PORTS = tuple(name.upper() for name in Settings.model_fields if name.endswith("_port"))
COMMAND = (str(BIN / "penchant"), "demo")


@contextmanager
def cloned() -> Iterator[tuple[Path, Path]]:
    """A temporary folder with a clone of the last commit in it: (clone, folder)."""
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        yield clone, Path(folder)


@contextmanager
def busy(folder: Path, hogs: int, writers: int) -> Iterator[None]:
    """Loops that use a core each, and loops that write to the disk of ``folder``."""
    hog = [sys.executable, "-c", BUSY_LOOP]
    loops = [subprocess.Popen(hog) for _ in range(hogs)]
    for number in range(writers):
        written = folder / f"written{number}"
        loops.append(subprocess.Popen([sys.executable, "-c", DISK_LOOP, str(written)]))
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def environment(clone: Path, home: Path, source: str) -> dict[str, str]:
    """Variables of a demo of ``clone`` in ``home``, on free ports, with the installed packages."""
    return {
        **os.environ,
        **{f"PENCHANT_{name}": str(free_port()) for name in PORTS},
        "PENCHANT_HOME": str(home),
        "PENCHANT_SOURCE": source,
        "PYTHONPATH": str(clone),
    }
