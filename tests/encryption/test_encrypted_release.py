"""A release of an encrypted home: published, verified by hash and served like a plain one."""

import shutil
from pathlib import Path

from small_shop import snapshot_id

from penchant.encryption.encrypted_file import is_encrypted_file
from penchant.encryption.home_files import RELEASED, data_keys_in_use
from penchant.privacy.encrypt import encrypt, rotate_key
from penchant.publishing.publish import publish
from penchant.releases.release import Release
from penchant.serving.service import RecommendationService
from penchant.settings import Settings


def test_a_release_is_encrypted_and_serves_what_a_plain_one_does(
    settings: Settings, key_file: Path, shop_once: Path, published_once: Path
) -> None:
    shutil.copytree(shop_once, settings.home)
    home = settings.model_copy(update={"key_file": key_file})
    encrypt(home)
    published = publish(home, snapshot_id(1))
    release = Release.open(home, published.release_id)
    tables = [file for file in release.path.rglob("*") if file.name.endswith(RELEASED)]
    assert tables and all(is_encrypted_file(file) for file in tables)
    plain = settings.model_copy(update={"home": published_once})
    expected = RecommendationService(plain).recommend("u1", 10).items
    assert RecommendationService(home).recommend("u1", 10).items == expected
    rotate_key(home)
    assert set(data_keys_in_use(home)) == {2}
    assert RecommendationService(home).recommend("u1", 10).items == expected  # hashes still hold
