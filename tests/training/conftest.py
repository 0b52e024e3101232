"""Homes with the planted snapshot."""

import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from planted import plant

from penchant.artifacts import Snapshot
from penchant.settings import Settings
from training.commands.train import train
from training.data.histories import Dataset, read_dataset
from training.names import FAMILIES


@pytest.fixture
def planted(settings: Settings) -> tuple[Settings, str]:
    """A home with the planted snapshot, and its id."""
    return settings, plant(settings)


@pytest.fixture
def dataset(planted: tuple[Settings, str]) -> Dataset:
    return read_dataset(Snapshot.open(*planted))


@pytest.fixture(scope="session")
def trained_once(shared_homes: Path) -> tuple[Settings, str]:
    """Every family's run on the planted snapshot. For tests that only read."""
    settings = Settings(_env_file=None, home=shared_homes / "trained", seed=7, threads=1)
    with FileLock(shared_homes / "trained.lock"):
        done = shared_homes / "trained.done"
        if not done.exists():
            snapshot_id = plant(settings)
            for family in FAMILIES:
                train(settings, snapshot_id, family)
            done.write_text(snapshot_id)
    return settings, done.read_text()


@pytest.fixture
def copied(trained_once: tuple[Settings, str], settings: Settings) -> tuple[Settings, str]:
    """The same runs in a home of the test's own, to write beside."""
    once, snapshot_id = trained_once
    shutil.copytree(once.home, settings.home, dirs_exist_ok=True)
    return settings.model_copy(update={"seed": once.seed}), snapshot_id
