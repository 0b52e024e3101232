"""Damaged files of a release: they are not served, and the release before answers."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from fresh_shop import with_encoder
from small_shop import Shop

from penchant.api.app import create_app
from penchant.errors import DataError
from penchant.publishing.publish import publish
from penchant.releases.release import Release
from penchant.serving.service import RecommendationService
from penchant.settings import Settings

ONE, TWO = "s-20180102-000000000001", "s-20180102-000000000002"
DAMAGES = {
    "tampered": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + b"x"),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "empty": lambda path: path.write_bytes(b""),
    "removed": Path.unlink,
}


@pytest.fixture(scope="module")
def released_once(shop_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the shop with releases of both snapshots, the second one live."""
    home = tmp_path_factory.mktemp("released") / "home"
    shutil.copytree(shop_once, home)
    shop = Shop(Settings(_env_file=None, home=home, threads=1))
    with_encoder(shop, 2)
    shop.settings.live_features.flip(TWO)
    publish(shop.settings, ONE)
    publish(shop.settings, TWO)
    return home


@pytest.fixture
def released(settings: Settings, released_once: Path) -> Settings:
    shutil.copytree(released_once, settings.home)
    return settings


@pytest.fixture
def releases(released: Settings) -> tuple[str, str]:
    """The one before and the live one."""
    return str(released.live_release.previous()), str(released.live_release.current())


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "file", ["ranked_lists.arrow", "items.usearch", "encoder/encoder.safetensors", "online.db"]
)
def test_the_release_before_a_damaged_one_answers(
    released: Settings, releases: tuple[str, str], file: str, damage: str
) -> None:
    before, live = releases
    DAMAGES[damage](released.releases / live / file)
    client = TestClient(create_app(released))
    answer = client.get("/v1/recommendations", params={"user_id": "u3"})
    assert (answer.status_code, answer.json()["release_id"]) == (200, before)
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["release_id"]) == ("degraded", before)
    (problem,) = ready["problems"]
    assert live in problem and file in problem


def test_not_ready_over_a_damaged_release_without_another(shop: Any) -> None:
    live = publish(shop.settings, ONE).release_id
    shop.settings.live_features.flip(ONE)
    (shop.settings.releases / live / "items.usearch").write_bytes(b"garbage")
    answer = TestClient(create_app(shop.settings)).get("/readyz")
    assert answer.status_code == 503 and "items.usearch" in answer.json()["detail"]


def test_a_repaired_release_answers_again(
    released: Settings, releases: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, live = releases
    file = released.releases / live / "ranked_lists.arrow"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    service = RecommendationService(released)
    assert service.recommend("u3").release_id == before
    file.write_bytes(whole)
    assert service.recommend("u3").release_id == before, "not tried again at once"
    monkeypatch.setattr("penchant.serving.service.RETRY_SECONDS", 0.0)
    assert service.recommend("u3").release_id == live and service.fault is None


def test_a_file_that_is_truncated_while_it_is_served_changes_nothing(shop: Any) -> None:
    live = publish(shop.settings, ONE).release_id
    service = RecommendationService(shop.settings)
    whole = service.recommend("u3").items
    for file in (shop.settings.releases / live).rglob("*.*"):
        if file.suffix in (".arrow", ".npy", ".usearch"):
            with file.open("r+b") as opened:
                opened.truncate(0)
    assert service.recommend("u3").items == whole


def test_every_file_of_a_release_has_a_hash(shop: Any) -> None:
    release = Release.open(shop.settings, publish(shop.settings, ONE).release_id)
    found = {
        str(path.relative_to(release.path)) for path in release.path.rglob("*") if path.is_file()
    }
    assert found == {*release.manifest.files, "release.json"}
    release.verify()
    (release.path / "item_facts.arrow").unlink()
    with pytest.raises(DataError, match=r"is incomplete: item_facts\.arrow"):
        release.verify()
