"""The machine that figures were measured on, and how fast it was at that moment."""

import os
import platform
import time
from typing import Any

import psutil

CALIBRATION_STEPS = 2_000_000


def describe_machine() -> dict[str, Any]:
    """Hardware, cores, load of the last 15 minutes and the calibration loop's time."""
    cores = len(os.sched_getaffinity(0))
    memory_gib = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return {
        "machine": f"{cores} cores, {memory_gib:.0f} GiB, {system}",
        "cores": cores,
        "load": os.getloadavg()[2],
        "calibration_ms": calibration_ms(),
    }


def calibration_ms() -> float:
    """Milliseconds of a fixed loop of integer additions on one core, the best of three runs.

    Machines differ in speed from day to day: seconds are comparable as multiples of this.
    """
    best = float("inf")
    for _ in range(3):
        started, total = time.perf_counter(), 0
        for step in range(CALIBRATION_STEPS):
            total += step
        best = min(best, time.perf_counter() - started)
    return 1000 * best
