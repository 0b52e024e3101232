"""A published release with a ranking model."""

import shutil
from pathlib import Path

import pytest
from fresh_shop import with_encoder
from ranked_shop import write_ranking_features, write_ranking_model
from small_shop import Shop, snapshot_id

from penchant.publishing.publish import publish
from penchant.settings import Settings


@pytest.fixture(scope="session")
def ranked_once(shop_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Snapshot 1 is live with a ranking model and an encoder. For tests that change nothing."""
    home = tmp_path_factory.mktemp("ranked") / "home"
    shutil.copytree(shop_once, home)
    shop = Shop(Settings(_env_file=None, home=home, threads=1))
    with_encoder(shop, 1)
    write_ranking_features(shop, 1)
    write_ranking_model(shop, 1)
    publish(shop.settings, snapshot_id(1))
    return shop


@pytest.fixture
def ranked(settings: Settings, ranked_once: Shop) -> Shop:
    """A copy, to change."""
    shutil.copytree(ranked_once.settings.home, settings.home)
    return Shop(settings)
