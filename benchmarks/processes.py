"""Run work in a process of its own, ours or a peer's, so that its time and memory are its own."""

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penchant.errors import PenchantError

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
VENVS = ROOT / ".peers"


@dataclass(frozen=True)
class Isolated:
    """``seconds``: of the call alone. ``peak_mb``: peak resident memory, imports included."""

    value: Any
    seconds: float
    peak_mb: float


def threads(count: int) -> dict[str, str]:
    """Environment variables that bound the threads of a process."""
    names = [f"{name}_NUM_THREADS" for name in ("OMP", "MKL", "OPENBLAS")]
    return dict.fromkeys([*names, "PENCHANT_THREADS"], str(count))


def isolated(function: str, **arguments: Any) -> Isolated:
    """Call ``module:name`` of benchmarks with JSON arguments in a new process of one thread.

    Raises CalledProcessError when it fails.
    """
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", __name__, function, json.dumps(arguments), str(result)]
        subprocess.run(command, check=True, env={**os.environ, **threads(1)})
        return Isolated(**json.loads(result.read_text()))


def peer(
    script: str,
    *arguments: Any,
    package: str | None = None,
    environment: dict[str, str] | None = None,
) -> Any:
    """Run a script of ``peers/`` and return the JSON of its last line.

    ``package``: run it in this peer's virtual environment, created when its requirements change.
    """
    python = _python_of(package) if package else sys.executable
    with tempfile.TemporaryDirectory(prefix="penchant-peer-") as folder:
        done = subprocess.run(
            [str(part) for part in (python, PEERS / f"{script}.py", *arguments)],
            cwd=folder,
            env={**os.environ, **(environment or threads(1))},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise PenchantError(
            f"{script}.py exited with status {done.returncode}: {done.stderr[-2000:]}",
            f"run {PEERS / script}.py by hand to see why",
        )
    return json.loads(done.stdout.splitlines()[-1])


def _python_of(package: str) -> Path:
    wanted = (PEERS / f"requirements-{package}.txt").read_text()
    folder = VENVS / package
    python, ready = folder / "bin" / "python", folder / ".ready"
    # .ready is written last, so an interrupted install is repeated
    if not ready.exists() or ready.read_text() != wanted:
        print(f"installing {package} into {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *wanted.split()]
        subprocess.run(install, check=True)
        ready.write_text(wanted)
    return python


def main() -> None:
    import torch

    from training.fitting.budget import MB, peak_memory

    function, arguments, result = sys.argv[1:]
    module, name = function.split(":")
    torch.set_num_threads(1)
    call = getattr(importlib.import_module(f"benchmarks.{module}"), name)
    started = time.perf_counter()
    value = call(**json.loads(arguments))
    seconds = time.perf_counter() - started
    done = {"value": value, "seconds": round(seconds, 2), "peak_mb": round(peak_memory() / MB, 1)}
    Path(result).write_text(json.dumps(done))


if __name__ == "__main__":
    main()
