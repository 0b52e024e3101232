"""Cost of the main job: ``make demo`` in a fresh home, its memory and idle time, and the tests."""

import json
import os
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.processes import ROOT
from benchmarks.rows import Row, table
from benchmarks.servers import BIN, free_port
from penchant.platform.processes import marked, memory_bytes
from penchant.settings import Settings

TITLE = "The main job"
SAMPLE_SECONDS = 1.0
PORTS = tuple(name.upper() for name in Settings.model_fields if name.endswith("_port"))


@dataclass(frozen=True)
class Measured:
    """One demo: wall seconds, peak memory of all its processes, and its own record."""

    seconds: float
    peak_bytes: int
    figures: dict[str, Any]


class PeakMemory(threading.Thread):
    """Samples the proportional set size of the demo and all processes that it started."""

    def __init__(self, demo: int, home: Path) -> None:
        super().__init__(daemon=True)
        self._demo, self._home = demo, home
        self._ended = threading.Event()
        self.peak = 0

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            with suppress(psutil.NoSuchProcess):  # the demo may end between two samples
                processes = [psutil.Process(self._demo), *marked(self._home)]
                self.peak = max(self.peak, memory_bytes(processes))

    def stop(self) -> int:
        self._ended.set()
        self.join()
        return self.peak


def demo(home: Path, source: str) -> Measured:
    """Run ``penchant demo`` in ``home``. Raises CalledProcessError."""
    environment = {
        **os.environ,
        **{f"PENCHANT_{name}": str(free_port()) for name in PORTS},
        "PENCHANT_HOME": str(home),
        "PENCHANT_SOURCE": source,
    }
    started = time.monotonic()
    process = subprocess.Popen([BIN / "penchant", "demo"], cwd=ROOT, env=environment)
    memory = PeakMemory(process.pid, home)
    memory.start()
    status = process.wait()
    seconds = time.monotonic() - started
    peak = memory.stop()
    if status != 0:
        raise subprocess.CalledProcessError(status, "penchant demo")
    figures = json.loads((home / "platform" / "demo.json").read_text())
    return Measured(seconds, peak, figures)


def measure(
    settings: Settings, *, tests: bool = True, source: str = "complete_journey"
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        first, second = (demo(Path(folder), source) for _ in range(2))
    rows = [
        Row(f"demo on {source}", first.seconds, "s", "<= 720"),
        Row("demo: peak memory, all processes", first.peak_bytes / 2**20, "MB", "<= 4096"),
        Row("demo: share of time no task runs", first.figures["idle_share"], "", "<= 0.20"),
        Row("demo: Airflow ready after", first.figures["ready_seconds"], "s"),
        Row("second demo, nothing changed", second.seconds, "s"),
        *(Row(f"task {task['label']}", task["seconds"], "s") for task in first.figures["tasks"]),
    ]
    if tests:
        started = time.monotonic()
        subprocess.run(["make", "test"], cwd=ROOT, check=True)
        rows.append(Row("make test", time.monotonic() - started, "s", "<= 360"))
    return {"rows": [row.as_dict() for row in rows]}


def page(figures: dict[str, Any]) -> str:
    return table(figures["rows"])
