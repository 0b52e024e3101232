"""Small snapshots: one that is not checked, and one that follows a live one."""

import shutil
from pathlib import Path

import pytest
from small_snapshot import FIRST, SECOND, write_snapshot

from penchant.artifacts import Snapshot
from penchant.quality.check import check
from penchant.settings import Settings


@pytest.fixture
def first(settings: Settings) -> Snapshot:
    """A good snapshot, not checked yet."""
    return write_snapshot(settings, FIRST)


@pytest.fixture(scope="session")
def live_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Settings(_env_file=None, home=tmp_path_factory.mktemp("live"), threads=1)
    write_snapshot(settings, FIRST)
    check(settings, FIRST)
    return settings.home


@pytest.fixture
def second(settings: Settings, live_once: Path) -> Snapshot:
    """The same data again as a second snapshot, with the first one live."""
    shutil.copytree(live_once, settings.home)
    return write_snapshot(settings, SECOND)
