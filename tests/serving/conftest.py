"""The small shop, made once and copied for each test, and one that is published."""

import shutil
from pathlib import Path

import pytest
from small_shop import Shop, snapshot_id

from penchant.settings import Settings


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
