"""Damaged files of a release: they are not served, and the release before answers."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from fresh_shop import with_encoder

from penchant.api.app import create_app
from penchant.errors import DataError
from penchant.publishing.publish import publish
from penchant.releases.release import Release
from penchant.serving.service import RecommendationService

ONE, TWO = "s-20180102-000000000001", "s-20180102-000000000002"
DAMAGES = {
    "tampered": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + b"x"),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "empty": lambda path: path.write_bytes(b""),
    "removed": Path.unlink,
}


@pytest.fixture
def releases(shop: Any) -> tuple[str, str]:
    with_encoder(shop, 2)
    shop.settings.live_features.flip(TWO)
    return publish(shop.settings, ONE).release_id, publish(shop.settings, TWO).release_id


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "file", ["ranked_lists.arrow", "items.usearch", "encoder/encoder.safetensors", "online.db"]
)
def test_the_release_before_a_damaged_one_answers(
    shop: Any, releases: tuple[str, str], file: str, damage: str
) -> None:
    before, live = releases
    DAMAGES[damage](shop.settings.releases / live / file)
    client = TestClient(create_app(shop.settings))
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
    shop: Any, releases: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, live = releases
    file = shop.settings.releases / live / "ranked_lists.arrow"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    service = RecommendationService(shop.settings)
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
