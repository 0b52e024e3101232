"""The IVF index, compared with exact search."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penchant.publishing.publish import publish
from penchant.releases import index
from penchant.releases.hnsw_index import unit
from penchant.releases.ivf_index import IvfIndex
from penchant.serving.service import RecommendationService

ITEMS, DIMENSIONS = 3000, 16


def clustered(items: int = ITEMS) -> np.ndarray:
    random = np.random.default_rng(0)
    centres = random.normal(size=(40, DIMENSIONS))
    vectors = centres[random.integers(0, 40, items)] + random.normal(size=(items, DIMENSIONS))
    return (vectors * random.uniform(0.1, 9, (items, 1))).astype(np.float32)


def exact(vectors: np.ndarray, query: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-(unit(vectors) @ unit(query)))[:k]


def test_saved_index_finds_the_nearest_whatever_their_lengths(tmp_path: Path) -> None:
    vectors = clustered()
    ids = [f"i{number}" for number in range(ITEMS)]
    built = IvfIndex.build(ids, vectors, vectors[::30])
    built.save(tmp_path)
    opened = IvfIndex.open(tmp_path)

    assert opened.recall(vectors[::30], vectors) >= 0.99
    assert opened.nprobe < len(opened.centroids_LD)  # else the search is exact
    found = opened.search(vectors[7], 5)
    assert [item_id for item_id, _ in found] == [ids[at] for at in exact(vectors, vectors[7], 5)]
    assert found[0][1] == pytest.approx(1.0, abs=1e-5)
    assert opened.rows(vectors[7], 5).tolist() == exact(vectors, vectors[7], 5).tolist()
    assert opened.search(-vectors[7], 3) == built.search(-vectors[7], 3)


def test_same_vectors_give_the_same_index() -> None:
    vectors = clustered()
    one, two = (IvfIndex.build(["x"] * ITEMS, vectors, vectors[:9]) for _ in range(2))
    assert np.array_equal(one.centroids_LD, two.centroids_LD)
    assert np.array_equal(one.positions_I, two.positions_I)


@pytest.mark.parametrize("items", [1, 3, 30])
def test_scans_more_lists_for_more_items(items: int) -> None:
    vectors = clustered(items)
    ivf = IvfIndex.build([str(at) for at in range(items)], vectors, vectors)
    assert ivf.rows(vectors[0], 100).tolist() == exact(vectors, vectors[0], 100).tolist()


def test_finds_all_equal_vectors() -> None:
    vectors = np.ones((200, 4), np.float32)
    ivf = IvfIndex.build([str(at) for at in range(200)], vectors, vectors[:5])
    assert ivf.recall(vectors[:5], vectors) == 1.0
    assert len(ivf.search(vectors[0], 150)) == 150


def test_publishes_large_catalogue_with_ivf_index(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = publish(shop.settings, "s-20180102-000000000001")
    expected = RecommendationService(shop.settings).similar("i007", 5)
    monkeypatch.setattr(index, "LARGE", 100)
    (shop.settings.releases / graph.release_id / "release.json").unlink()
    report = publish(shop.settings, "s-20180102-000000000001")

    assert report.recall_at_10 is not None and report.recall_at_10 >= 0.99
    assert (shop.settings.releases / report.release_id / "items.ivf").is_dir()
    found = RecommendationService(shop.settings).similar("i007", 5)
    assert [each.item_id for each in found.items] == [each.item_id for each in expected.items]
