"""One subcommand in a process of its own: its seconds, CPU seconds and peak memory."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.processes import ROOT
from benchmarks.servers import BIN

LAST_LINES = 3


@dataclass(frozen=True)
class Stage:
    """One subcommand. ``failed``: the last lines of its errors, None for success."""

    name: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    failed: str | None
    exit_status: int


def run_stage(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[Stage, dict[str, Any]]:
    """Run ``penchant`` with arguments; also return its JSON result, empty when it failed."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.monotonic()
        process = subprocess.Popen(
            [BIN / "penchant", *arguments, "--json"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=errors,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        output.seek(0)
        errors.seek(0)
        results, lines = output.read().splitlines(), errors.read().splitlines()
    failed = None if process.returncode == 0 else " ".join(lines[-LAST_LINES:])
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    stage = Stage(
        arguments[0],
        round(seconds, 1),
        round(cpu, 1),
        round(peak),
        failed,
        process.returncode,
    )
    return stage, json.loads(results[-1]) if failed is None else {}
