"""Cost of the main job: ``make demo`` in a fresh home, its memory and idle time, and the tests."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.rows import Row, table
from penchant.platform.processes import marked, memory_bytes
from penchant.settings import Settings

TITLE = "The main job"
ROOT = Path(__file__).resolve().parent.parent
PENCHANT = Path(sys.executable).with_name("penchant")
SAMPLE_SECONDS = 1.0
PORTS = ("AIRFLOW", "MLFLOW", "FEAST", "DOCS", "API")


@dataclass(frozen=True)
class Measured:
    """One demo: wall seconds, peak memory of all its processes, and what it says of itself."""

    seconds: float
    peak_bytes: int
    figures: dict[str, Any]


class PeakMemory(threading.Thread):
    """Samples the proportional set size of the demo and all that it started."""

    def __init__(self, demo: int, home: Path) -> None:
        super().__init__(daemon=True)
        self._demo = demo
        self._home = home
        self._ended = threading.Event()
        self.peak = 0

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            # the demo may end between two samples
            with suppress(psutil.NoSuchProcess):
                processes = [psutil.Process(self._demo), *marked(self._home)]
                self.peak = max(self.peak, memory_bytes(processes))

    def stop(self) -> int:
        self._ended.set()
        self.join()
        return self.peak


def demo(home: Path, source: str) -> Measured:
    """Run ``penchant demo`` in ``home``, its output on ours. Raises CalledProcessError."""
    environment = {
        **os.environ,
        **{f"PENCHANT_{name}_PORT": str(free_port()) for name in PORTS},
        "PENCHANT_HOME": str(home),
        "PENCHANT_SOURCE": source,
    }
    started = time.monotonic()
    process = subprocess.Popen([PENCHANT, "demo"], cwd=ROOT, env=environment)
    memory = PeakMemory(process.pid, home)
    memory.start()
    status = process.wait()
    seconds = time.monotonic() - started
    peak = memory.stop()
    if status != 0:
        raise subprocess.CalledProcessError(status, "penchant demo")
    figures = json.loads((home / "platform" / "demo.json").read_text())
    return Measured(seconds, peak, figures)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_seconds() -> float:
    started = time.monotonic()
    subprocess.run(["make", "test"], cwd=ROOT, check=True)
    return time.monotonic() - started


def measure(
    settings: Settings, *, tests: bool = True, source: str = "complete_journey"
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        first = demo(Path(folder), source)
        second = demo(Path(folder), source)
    rows = [
        Row(f"demo on {source}", first.seconds, "s", "<= 720"),
        Row("demo: peak memory, all processes", first.peak_bytes / 2**20, "MB", "<= 4096"),
        Row("demo: share of time no task runs", first.figures["idle_share"], "", "<= 0.20"),
        Row("demo: Airflow ready after", first.figures["ready_seconds"], "s"),
        Row("second demo, nothing changed", second.seconds, "s"),
        *task_rows(first),
    ]
    if tests:
        rows.append(Row("make test", test_seconds(), "s", "<= 360"))
    return {"rows": [row.as_dict() for row in rows]}


def page(figures: dict[str, Any]) -> str:
    return table(figures["rows"])


def task_rows(measured: Measured) -> list[Row]:
    """The seconds of each task of the demo."""
    return [
        Row(f"task {task['label']}", task["seconds"], "s") for task in measured.figures["tasks"]
    ]
