"""Homes at each stage of the main job: built once per test run, copied for each test."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from budgets import (  # noqa: F401  hooks of pytest
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_terminal_summary,
)
from filelock import FileLock
from logged_feedback import log_catalogue, log_feedback
from small_shop import Shop, snapshot_id

from penchant.settings import Settings
from penchant.telemetry import disable_telemetry

disable_telemetry()
os.environ["PENCHANT_API_HOSTNAMES"] = "testserver"  # as Starlette's client requests


def settings_at(home: Path) -> Settings:
    """Settings of a test, independent of the environment and ``.env``.

    Homes hold user ids, so that tests can name users; tests/privacy has those of pseudonyms.
    """
    return Settings(
        _env_file=None, home=home, source="simulator", seed=7, threads=1, pseudonyms=False
    )


@pytest.fixture(autouse=True)
def no_settings_from_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PENCHANT_")]:
        if name not in ("PENCHANT_TEST_DATA", "PENCHANT_API_HOSTNAMES"):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty home. Its path has what a user's may have: spaces and other letters."""
    return settings_at(tmp_path / "home of Zoë")


@pytest.fixture(scope="session")
def shared_homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder shared by all workers of a test run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def worker_number() -> int:
    """The number of this worker, from 0."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def make_once(home: Path, make: Callable[[Settings], object]) -> Path:
    """Run ``make`` once; other workers wait and use the result."""
    with FileLock(home.with_suffix(".lock")):
        done = home.with_suffix(".done")
        if not done.exists():
            make(settings_at(home))
            done.touch()
    return home


@pytest.fixture(scope="session")
def built_once(shared_homes: Path) -> Path:
    from penchant.building.build import build
    from penchant.ingestion.ingest import ingest

    def make(settings: Settings) -> None:
        ingest(settings, source="simulator", users=80, items=60, days=120)
        log_feedback(settings)
        log_catalogue(settings)
        ingest(settings, source="feedback")
        build(settings)

    return make_once(shared_homes / "built", make)


@pytest.fixture(scope="session")
def checked_once(shared_homes: Path, built_once: Path) -> Path:
    from penchant.quality.check import check

    def make(settings: Settings) -> None:
        shutil.copytree(built_once, settings.home)
        check(settings, next(settings.snapshots.glob("s-*")).name)

    return make_once(shared_homes / "checked", make)


@pytest.fixture
def built_home(settings: Settings, built_once: Path) -> Settings:
    """A home with a built snapshot that has not been checked."""
    shutil.copytree(built_once, settings.home)
    return settings


@pytest.fixture
def checked_home(settings: Settings, checked_once: Path) -> Settings:
    """A home with a live snapshot."""
    shutil.copytree(checked_once, settings.home)
    return settings


@pytest.fixture(scope="session")
def shop_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Snapshots 1 and 2, ready to publish; 1 with vectors and 2 too."""
    home = tmp_path_factory.mktemp("shop") / "home"
    shop = Shop(Settings(_env_file=None, home=home, threads=1))
    shop.ready(1)
    shop.ready(2)
    return home


@pytest.fixture
def shop(settings: Settings, shop_once: Path) -> Shop:
    shutil.copytree(shop_once, settings.home)
    return Shop(settings)


@pytest.fixture(scope="session")
def published_once(shop_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the shop, with a release of snapshot 1 live."""
    from penchant.publishing.publish import publish

    home = tmp_path_factory.mktemp("published") / "home"
    shutil.copytree(shop_once, home)
    publish(Settings(_env_file=None, home=home, threads=1), snapshot_id(1))
    return home


@pytest.fixture
def published(settings: Settings, published_once: Path) -> Shop:
    """The shop with a release of snapshot 1 live."""
    shutil.copytree(published_once, settings.home)
    return Shop(settings)


@pytest.fixture(scope="session")
def served_once(shop_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Snapshot 1 is live, with an encoder. For tests that change nothing but what is logged."""
    from fresh_shop import with_encoder

    from penchant.publishing.publish import publish

    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(shop_once, home)
    shop = Shop(Settings(_env_file=None, home=home, threads=1))
    with_encoder(shop, 1)
    publish(shop.settings, snapshot_id(1))
    return shop
