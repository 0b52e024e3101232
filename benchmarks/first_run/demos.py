"""Three demos on a quiet machine: the first, an unchanged one, one after a family was edited."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.first_run.clones import COMMAND, cloned, environment
from benchmarks.machine import calibration_ms
from benchmarks.rows import Row, grid, shown
from penchant.settings import Settings

TITLE = "Demos"
CHANGED_FAMILY = "training/families/ease.py"


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
        ("first demo", first, "<= 480"),
        ("second demo, nothing changed", second, "<= 25"),
        (f"third demo, `{CHANGED_FAMILY}` edited", changed, None),
    ]
    rows = [Row(what, taken, "s", target) for what, taken, target in seconds]
    return {
        "calibrations_ms": calibrations,
        "load": os.getloadavg()[2],
        "note": note,
        "rows": [row.as_dict() for row in rows],
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
    return (
        f"Calibration loop before, between and after the demos: {measured} ms. Load of the machine"
        f" in the last 15 minutes: {figures['load']:.1f}. {figures['note']}".rstrip()
        + f"\n\n{grid(head, cells)}"
    )


def demo(clone: Path, home: Path, source: str) -> float:
    """Seconds of one demo. Raises CalledProcessError."""
    started = time.monotonic()
    subprocess.run(COMMAND, cwd=clone, env=environment(clone, home, source), check=True)
    return time.monotonic() - started
