"""Cold starts beside load: ``penchant demo`` in a fresh home until ``ingest`` has succeeded."""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.first_run.clones import COMMAND, busy, cloned, environment
from benchmarks.rows import Row, table
from penchant.settings import Settings

TITLE = "Cold starts beside load"
STARTED = "ingest_landing  ingest  success"
CORES = len(os.sched_getaffinity(0))


@dataclass
class Series:
    """``seconds`` of each start, None for one that failed; ``loads``: load average after each."""

    seconds: list[float | None] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)


def measure(
    settings: Settings,
    *,
    starts: int = 50,
    throttled_starts: int = 5,
    source: str = "complete_journey",
    note: str = "",
) -> dict[str, Any]:
    """Start demos one after another in fresh homes. ``note``: a sentence for the page.

    ``starts`` of them beside a busy loop per core and a loop that writes to the disk;
    ``throttled_starts`` beside three busy loops per core, which leaves a quarter of the machine.
    Ctrl-C ends a series early: the figures are then of fewer starts.
    """
    with cloned() as (clone, folder):
        usual = series(clone, folder, source, starts, CORES)
        throttled = series(clone, folder, source, throttled_starts, 3 * CORES)
    return {**figures_of(usual, starts, throttled, throttled_starts), "note": note}


def figures_of(
    usual: Series, starts: int, throttled: Series, throttled_starts: int
) -> dict[str, Any]:
    loads = [*usual.loads, *throttled.loads] or [0.0]
    return {
        "hogs": CORES,
        "loads": [min(loads), max(loads)],
        "rows": [
            row.as_dict()
            for row in (*rows("", usual, starts), *rows("throttled: ", throttled, throttled_starts))
        ],
    }


def page(figures: dict[str, Any]) -> str:
    beside = (
        f"Each start has a fresh home and runs beside {figures['hogs']} busy loops and one loop"
        f" that writes to the disk; throttled: beside {3 * figures['hogs']} busy loops. A start"
        " lasts until `ingest` has succeeded. Load average after a start, with all else that the"
        f" machine did: {figures['loads'][0]:.0f} to {figures['loads'][1]:.0f}."
    )
    return f"{beside} {figures['note']}".strip() + f"\n\n{table(figures['rows'])}"


def rows(label: str, series: Series, planned: int) -> list[Row]:
    """Successes, median and slowest of a series."""
    if not planned:
        return []
    succeeded = [each for each in series.seconds if each is not None]
    made = len(series.seconds)
    missing = f", {planned} planned" if made < planned else ""
    found = [Row(f"{label}starts that ingested", len(succeeded), f"of {made}{missing}")]
    if succeeded:
        found += [
            Row(f"{label}start to ingested, median", float(np.median(succeeded)), "s"),
            Row(f"{label}start to ingested, slowest", max(succeeded), "s"),
        ]
    return found


def series(clone: Path, folder: Path, source: str, starts: int, hogs: int) -> Series:
    """Start demos one after another; the output of one that fails is printed."""
    made = Series()
    with busy(folder, hogs, writers=1):
        try:
            for number in range(starts):
                home = folder / f"home{number}"
                made.seconds.append(seconds_to_start(clone, home, source))
                made.loads.append(os.getloadavg()[0])
                print(
                    f"start {number + 1} of {starts} beside {hogs} busy loops:"
                    f" {made.seconds[-1]} s; load {made.loads[-1]:.0f}",
                    flush=True,
                )
                shutil.rmtree(home)
        except KeyboardInterrupt:
            print(f"stopped after {len(made.seconds)} of {starts} starts", flush=True)
    return made


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
