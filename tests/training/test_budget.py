"""The limits of a training run."""

import subprocess
import sys
import time

import numpy as np
import pytest

from penchant.errors import BudgetExceeded
from penchant.settings import Settings
from training.fitting import budget
from training.fitting.budget import MB, Budget, peak_memory


def test_peak_memory_excludes_the_parent_process() -> None:
    held = np.ones(300 * MB // 8)
    code = "from training.fitting.budget import peak_memory; print(peak_memory())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert int(child.stdout) < peak_memory() - held.nbytes // 2


def test_waiting_spends_no_cpu_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "WALL_FACTOR", 10**6)
    limits = Budget(0.3, 10**6, threads=1)
    time.sleep(0.6)
    limits.check()
    assert limits.spent > 0.6 > limits.cpu_spent + 0.3


def test_cpu_time_is_counted_per_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "WALL_FACTOR", 10**6)
    one, four = Budget(0.2, 10**6, threads=1), Budget(0.2, 10**6, threads=4)
    while one.cpu_spent < 0.3:
        sum(range(10**5))
    with pytest.raises(BudgetExceeded, match="s of CPU time"):
        one.check()
    four.check()


def test_wall_clock_limit_ends_a_run_that_only_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "CHECK_SECONDS", 0.05)
    limits = Budget(0.05, 10**6)
    with pytest.raises(BudgetExceeded, match="s of wall-clock time"), limits.enforced():
        time.sleep(10)


def test_ended_children_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "WALL_FACTOR", 10**6)
    limits = Budget(0.2, 10**6, threads=1)
    subprocess.run([sys.executable, "-c", "while __import__('time').process_time() < 0.5: pass"])
    with pytest.raises(BudgetExceeded, match="s of CPU time"):
        limits.check()


def test_default_budget_grows_with_the_data_and_a_given_one_does_not(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "machine_memory_mb", lambda: 40_000)
    usual, large = Budget.of(settings, 1_000_000), Budget.of(settings, 6_000_000)
    assert (usual.seconds, usual.memory_mb) == (240, 3000)
    assert (large.seconds, large.memory_mb) == (960, 12_000)
    assert Budget.of(settings, 60_000_000).memory_mb == 16_000, "of two trainings at once"
    given = settings.model_copy(update={"family_seconds": 60.0, "family_memory_mb": 500})
    assert Budget.of(given, 6_000_000).seconds == 60
    assert Budget.of(given, 6_000_000).memory_mb == 500
