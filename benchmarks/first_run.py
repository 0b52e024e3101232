"""The first run of a newcomer: starts on a busy machine, first release, second run, one change."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.main_job import PORTS
from benchmarks.processes import ROOT
from benchmarks.rows import Row, table
from benchmarks.servers import BIN, free_port
from penchant.settings import Settings

TITLE = "The first run"
STARTED = "ingest_landing  ingest  success"
CHANGED_FAMILY = "training/families/ease.py"
BUSY_LOOP = "while True: pass"


def measure(
    settings: Settings, *, starts: int = 50, hogs: int = 2, source: str = "complete_journey"
) -> dict[str, Any]:
    """Start ``starts`` demos in fresh homes beside ``hogs`` busy loops; then run three on a quiet
    machine: the first, an unchanged one and one after a family's code was edited."""
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        seconds = []
        with busy(hogs):
            for number in range(starts):
                seconds.append(seconds_to_start(clone, Path(folder) / f"home{number}", source))
                print(f"start {number + 1} of {starts}: {seconds[-1]}", flush=True)
        home = Path(folder) / "home"
        first, second = demo(clone, home, source), demo(clone, home, source)
        figures = json.loads((home / "platform" / "demo.json").read_text())
        with (clone / CHANGED_FAMILY).open("a") as code:
            code.write("\nCHANGED = True\n")
        changed = demo(clone, home, source)
    succeeded = [each for each in seconds if each is not None]
    rows = [
        Row(f"starts that ingested, of {starts}", len(succeeded), target=f">= {starts}"),
        Row("start to the first success of ingest, median", quantile(succeeded, 0.5), "s"),
        Row("the same, slowest", quantile(succeeded, 1.0), "s"),
        Row("first release", figures["first_release_seconds"], "s", "<= 180"),
        Row("first run", first, "s", "<= 480"),
        Row("second run, nothing changed", second, "s", "<= 25"),
        Row("third run, one family edited", changed, "s"),
    ]
    return {"hogs": hogs, "rows": [row.as_dict() for row in rows]}


def page(figures: dict[str, Any]) -> str:
    hogs = f"Starts are measured beside {figures['hogs']} busy loops, in fresh homes."
    return f"{hogs}\n\n{table(figures['rows'])}"


def quantile(seconds: list[float], share: float) -> float:
    return float(np.quantile(seconds, share)) if seconds else float("nan")


@contextmanager
def busy(hogs: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", BUSY_LOOP]) for _ in range(hogs)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def environment(clone: Path, home: Path, source: str) -> dict[str, str]:
    return {
        **os.environ,
        **{f"PENCHANT_{name}": str(free_port()) for name in PORTS},
        "PENCHANT_HOME": str(home),
        "PENCHANT_SOURCE": source,
        "PYTHONPATH": str(clone),
    }


def seconds_to_start(clone: Path, home: Path, source: str) -> float | None:
    """Seconds until ``ingest`` has succeeded; None, with the output printed, if it doesn't."""
    started, found, lines = time.monotonic(), None, []
    process = subprocess.Popen(
        [BIN / "penchant", "demo"],
        cwd=clone,
        env=environment(clone, home, source),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if STARTED in line:
            found = time.monotonic() - started
            process.send_signal(signal.SIGTERM)
            break
    process.communicate()
    if found is None:
        print("".join(lines), flush=True)
    return found


def demo(clone: Path, home: Path, source: str) -> float:
    """Seconds of one demo. Raises CalledProcessError."""
    started = time.monotonic()
    subprocess.run(
        [BIN / "penchant", "demo"], cwd=clone, env=environment(clone, home, source), check=True
    )
    return time.monotonic() - started
