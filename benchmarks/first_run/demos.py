"""Three demos on a quiet machine: the first, an unchanged one, one after a family was edited."""

import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.first_run.clones import COMMAND, cloned, environment
from benchmarks.machine import calibration_ms
from benchmarks.rows import Row, grid, shown
from penchant.platform.processes import marked, memory_bytes
from penchant.settings import Settings

TITLE = "Demos"
SAMPLE_SECONDS = 4.0  # reading the memory of all processes takes 50 ms of a core
CHANGED_FAMILY = "training/families/ease.py"


@dataclass(frozen=True)
class Demo:
    """``peak_bytes``: the peak memory of all its processes together."""

    seconds: float
    peak_bytes: int


class PeakMemory(threading.Thread):
    """Samples the proportional set size of a demo and all processes that it started."""

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


def measure(
    settings: Settings, *, source: str = "complete_journey", note: str = ""
) -> dict[str, Any]:
    """Run ``penchant demo`` in a fresh home, again, and after an edit of one family's code.

    ``note``: a sentence for the page.
    """
    calibrations = [calibration_ms()]
    with cloned() as (clone, folder):
        home = folder / "home"
        first = demo(clone, home, source)
        calibrations.append(calibration_ms())
        figures = json.loads((home / "platform" / "demo.json").read_text())
        second = demo(clone, home, source)
        with (clone / CHANGED_FAMILY).open("a") as code:
            code.write("\nCHANGED = True\n")
        changed = demo(clone, home, source)
        calibrations.append(calibration_ms())
    seconds = [
        ("first release", figures["first_release_seconds"], "<= 180"),
        ("first demo", first.seconds, "<= 480"),
        ("second demo, nothing changed", second.seconds, "<= 25"),
        (f"third demo, `{CHANGED_FAMILY}` edited", changed.seconds, None),
    ]
    rows = [Row(what, taken, "s", target) for what, taken, target in seconds]
    return {
        "calibrations_ms": calibrations,
        "load": os.getloadavg()[2],
        "note": note,
        "rows": [row.as_dict() for row in rows],
        "idle_share": figures["idle_share"],
        "peak_mb": first.peak_bytes / 2**20,
        "tasks": {task["label"]: task["seconds"] for task in figures["tasks"]},
    }


def page(figures: dict[str, Any]) -> str:
    measured = ", ".join(f"{each:.0f}" for each in figures["calibrations_ms"])
    loop = sum(figures["calibrations_ms"]) / len(figures["calibrations_ms"]) / 1000
    rows = [Row.from_dict(record) for record in figures["rows"]]
    head = ("what", "seconds", "calibration loops", "target, seconds")
    cells = [
        (
            row.what,
            shown(row.ours),
            f"{float(row.ours) / loop:.0f}",
            f"{row.target or ''}{', missed' if row.met is False else ''}",
        )
        for row in rows
    ]
    tasks = sorted(figures["tasks"].items(), key=lambda task: -task[1])
    seconds = grid(("task", "seconds"), [(name, f"{taken:.1f}") for name, taken in tasks])
    return (
        f"Calibration loop before, between and after the demos: {measured} ms. Load of the machine"
        f" in the last 15 minutes: {figures['load']:.1f}. {figures['note']}".rstrip()
        + f"\n\n{grid(head, cells)}\n\n"
        f"In the first demo all processes together used at most {figures['peak_mb']:,.0f} MB, and"
        f" no task ran in {figures['idle_share']:.0%} of the time. Its tasks, two of which run at"
        f" once:\n\n{seconds}"
    )


def demo(clone: Path, home: Path, source: str) -> Demo:
    """Run one demo. Raises CalledProcessError."""
    started = time.monotonic()
    process = subprocess.Popen(COMMAND, cwd=clone, env=environment(clone, home, source))
    memory = PeakMemory(process.pid, home)
    memory.start()
    status = process.wait()
    seconds = time.monotonic() - started
    peak_bytes = memory.stop()
    if status != 0:
        raise subprocess.CalledProcessError(status, COMMAND)
    return Demo(seconds, peak_bytes)
