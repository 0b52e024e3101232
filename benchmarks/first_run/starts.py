"""Cold starts beside load: ``penchant demo`` in a fresh home until ``ingest`` has succeeded."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.first_run.clones import COMMAND, busy, cloned, environment
from benchmarks.machine import calibration_ms
from benchmarks.rows import Row, table
from penchant.settings import Settings

TITLE = "Cold starts beside load"
STARTED = "ingest_landing  ingest  success"
CORES = len(os.sched_getaffinity(0))


def measure(
    settings: Settings,
    *,
    starts: int = 50,
    throttled_starts: int = 5,
    source: str = "complete_journey",
) -> dict[str, Any]:
    """Start demos one after another in fresh homes.

    ``starts`` of them beside a busy loop per core and a loop that writes to the disk;
    ``throttled_starts`` beside three busy loops per core, which leaves a quarter of the machine.
    Ctrl-C ends a series early: the figures are then of fewer starts.
    """
    with cloned() as (clone, folder):
        usual = series(clone, folder, source, starts, CORES)
        throttled = series(clone, folder, source, throttled_starts, 3 * CORES)
    return {
        "hogs": CORES,
        "rows": [row.as_dict() for row in (*rows("", usual), *rows("throttled: ", throttled))],
    }


def page(figures: dict[str, Any]) -> str:
    beside = (
        f"Each start has a fresh home and runs beside {figures['hogs']} busy loops and one loop"
        f" that writes to the disk; throttled: beside {3 * figures['hogs']} busy loops. A start"
        " lasts until `ingest` has succeeded."
    )
    return f"{beside}\n\n{table(figures['rows'])}"


def rows(label: str, seconds: list[float | None]) -> list[Row]:
    """Successes, median and slowest of a series, in seconds and as multiples of the calibration."""
    succeeded = [each for each in seconds if each is not None]
    found = [
        Row(f"{label}starts that ingested", len(succeeded), f"of {len(seconds)}"),
    ]
    if succeeded:
        found += [
            Row(f"{label}start to ingested, median", float(np.median(succeeded)), "s"),
            Row(f"{label}start to ingested, slowest", max(succeeded), "s"),
        ]
    return found


def series(clone: Path, folder: Path, source: str, starts: int, hogs: int) -> list[float | None]:
    """Seconds of each start; None for one that failed, whose output is printed."""
    seconds: list[float | None] = []
    with busy(folder, hogs, writers=1):
        try:
            for number in range(starts):
                home = folder / f"home{number}"
                seconds.append(seconds_to_start(clone, home, source))
                print(
                    f"start {number + 1} of {starts} beside {hogs} busy loops: {seconds[-1]} s;"
                    f" calibration loop {calibration_ms():.0f} ms",
                    flush=True,
                )
                shutil.rmtree(home)
        except KeyboardInterrupt:
            print(f"stopped after {len(seconds)} of {starts} starts", flush=True)
    return seconds


def seconds_to_start(clone: Path, home: Path, source: str) -> float | None:
    """Seconds until ``ingest`` has succeeded; None, with the output printed, if it doesn't."""
    started, found, lines = time.monotonic(), None, []
    process = subprocess.Popen(
        COMMAND,
        cwd=clone,
        env=environment(clone, home, source),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for the benchmark
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            lines.append(line)
            if STARTED in line:
                found = time.monotonic() - started
                break
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()
    if found is None:
        print("".join(lines), flush=True)
    return found
