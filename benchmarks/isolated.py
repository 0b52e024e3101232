"""Work in a process of its own, so that its seconds and its peak memory are its own."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ONE_THREAD = {"OMP_NUM_THREADS": "1", "PENCHANT_THREADS": "1"}


@dataclass(frozen=True)
class Done:
    """``value``: what the function gave. ``seconds``: of the call alone; ``peak_mb``: the most
    that its process had resident, imports and all."""

    value: Any
    seconds: float
    peak_mb: float


def apart(function: str, **arguments: Any) -> Done:
    """Call ``module:name`` of this package with JSON-able arguments in a new process of one thread.

    Its output is shown as it comes. Raises CalledProcessError when it fails.
    """
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", __name__, function, json.dumps(arguments), str(answer)]
        subprocess.run(command, check=True, env={**os.environ, **ONE_THREAD})
        return Done(**json.loads(answer.read_text()))


def main() -> None:
    import torch

    from training.fitting.budget import MB, peak_memory

    function, arguments, answer = sys.argv[1:]
    module, name = function.split(":")
    torch.set_num_threads(1)
    call = getattr(importlib.import_module(f"benchmarks.interests.{module}"), name)
    started = time.perf_counter()
    value = call(**json.loads(arguments))
    seconds = time.perf_counter() - started
    done = {"value": value, "seconds": round(seconds, 2), "peak_mb": round(peak_memory() / MB, 1)}
    Path(answer).write_text(json.dumps(done))


if __name__ == "__main__":
    main()
