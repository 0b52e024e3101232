"""Homes with the planted snapshot."""

import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from planted import SNAPSHOT, plant

from penchant.artifacts import Snapshot
from penchant.settings import Settings
from training.commands.train import train
from training.data.histories import Dataset, read_dataset
from training.names import COMBINED, FAMILIES


@pytest.fixture
def planted(settings: Settings) -> tuple[Settings, str]:
    """A home with the planted snapshot, and its id."""
    return settings, plant(settings)


@pytest.fixture
def dataset(planted: tuple[Settings, str]) -> Dataset:
    return read_dataset(Snapshot.open(*planted))


@pytest.fixture(scope="session")
def trained_once(shared_homes: Path, worker_number: int) -> tuple[Settings, str]:
    """Every family's run on the planted snapshot. For tests that only read.

    The workers of a test run share the training: every other one begins with the last family.
    """
    settings = Settings(_env_file=None, home=shared_homes / "trained", seed=7, threads=1)
    with FileLock(shared_homes / "trained.lock"):
        if not settings.home.exists():
            plant(settings)
    alone = [family for family in FAMILIES if family not in COMBINED]
    for family in (*alone[:: -1 if worker_number % 2 else 1], *COMBINED):
        with FileLock(shared_homes / f"{family}.lock"):
            train(settings, SNAPSHOT, family)
    return settings, SNAPSHOT


@pytest.fixture
def copied(trained_once: tuple[Settings, str], settings: Settings) -> tuple[Settings, str]:
    """The same runs in a home of the test's own, to write beside."""
    once, snapshot_id = trained_once
    shutil.copytree(once.home, settings.home, dirs_exist_ok=True)
    return settings.model_copy(update={"seed": once.seed}), snapshot_id
