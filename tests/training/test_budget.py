"""What a run is said to have taken is its own."""

import subprocess
import sys

import numpy as np

from training.fitting.budget import MB, peak_memory


def test_the_memory_of_the_process_that_started_a_run_is_not_the_runs() -> None:
    held = np.ones(300 * MB // 8)
    code = "from training.fitting.budget import peak_memory; print(peak_memory())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert int(child.stdout) < peak_memory() - held.nbytes // 2
