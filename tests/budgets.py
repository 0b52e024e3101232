"""Seconds that each test file may take; one that takes more is named at the end, and never fails.

The budgets are of a machine that runs the calibration loop in ``CALIBRATION_SECONDS``. The loop is
run before and after the tests; the slower of the two scales the budgets.
"""

import time
from collections import defaultdict

import pytest

CALIBRATION_STEPS = 2_000_000
CALIBRATION_SECONDS = 0.1
FILE_SECONDS = 8.0
SECONDS: dict[str, float] = {
    "tests/api/test_fuzz.py": 35.0,
    "tests/dbt/test_build.py": 55.0,
    "tests/dbt/test_open_bandit_marts.py": 10.0,
    "tests/dbt/test_own_files.py": 10.0,
    "tests/encryption/test_encrypted_home.py": 18.0,
    "tests/features/test_materialize.py": 25.0,
    "tests/features/test_training_sets.py": 10.0,
    "tests/privacy/test_erase.py": 16.0,
    "tests/privacy/test_finish_erasure.py": 12.0,
    "tests/privacy/test_unlearn.py": 60.0,
    "tests/quality/test_check.py": 25.0,
    "tests/ranking/test_fresh_pairs.py": 20.0,  # its fixture, which other files share
    "tests/serving/test_publish.py": 35.0,
    "tests/serving/test_service.py": 12.0,
    "tests/serving/test_stores.py": 27.0,
    "tests/test_main_job.py": 400.0,
    "tests/training/families/test_bandit.py": 40.0,  # first to need the runs of all families
    "tests/training/families/test_fusion.py": 15.0,
    "tests/training/test_event_types.py": 25.0,
    "tests/training/test_families.py": 40.0,  # likewise, on the other worker
    "tests/training/test_generation.py": 12.0,
    "tests/training/test_response.py": 12.0,
    "tests/training/test_train.py": 14.0,
    "tests/training/test_trainer.py": 20.0,
}


def calibration_seconds() -> float:
    """Seconds of a fixed loop on one core."""
    started, total = time.perf_counter(), 0
    for step in range(CALIBRATION_STEPS):
        total += step
    return time.perf_counter() - started


def over_budget(seconds: dict[str, float], slowness: float) -> list[str]:
    """Lines for the files over budget on a machine ``slowness`` times as slow, worst first."""
    budgets = {file: SECONDS.get(file, FILE_SECONDS) * slowness for file in seconds}
    over = [file for file in seconds if seconds[file] > budgets[file]]
    return [
        f"{file}: {seconds[file]:.1f} s, budget {budgets[file]:.1f} s"
        for file in sorted(over, key=lambda file: budgets[file] - seconds[file])
    ]


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[CALIBRATED] = calibration_seconds()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start long tests first, so that none is left to run alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    seconds: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    calibrated = max(config.stash[CALIBRATED], calibration_seconds())
    for line in over_budget(seconds, max(1.0, calibrated / CALIBRATION_SECONDS)):
        terminalreporter.write_line(f"warning: over budget: {line}", yellow=True)


CALIBRATED = pytest.StashKey[float]()
