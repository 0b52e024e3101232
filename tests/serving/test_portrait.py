"""Segments are published with the vectors they are of; a portrait is read whole."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penchant.errors import DataError, UsageError
from penchant.publishing.publish import publish
from penchant.publishing.segments import segments
from penchant.releases.release import Release
from penchant.serving.service import RecommendationService

ONE = "s-20180102-000000000001"


def three_kinds(rows: int = 90) -> np.ndarray:
    """Users near three directions, twice as many near the first."""
    centres = np.eye(3, 6)[np.arange(rows) % 4 % 3]
    return centres + 0.05 * np.random.default_rng(1).normal(size=(rows, 6))


def part_in_two(columns: dict[str, Any]) -> None:
    """Even and odd users' vectors point to two sides."""
    sides = [[1.0] * 8, [-1.0] * 7 + [1.0]]
    columns["vector"] = [
        [value + 0.01 * number for value in sides[number % 2]]
        for number in range(len(columns["user_id"]))
    ]


def test_segments_are_clusters_largest_first() -> None:
    vectors_UD = three_kinds()
    labels = segments(vectors_UD)
    assert labels.max() == 2
    kinds = np.arange(90) % 4 % 3
    assert all(len(set(labels[kinds == kind])) == 1 for kind in range(3))
    assert set(labels[kinds == 0]) == {0}
    assert np.array_equal(labels, segments(vectors_UD * 7.0)), "length is popularity"


def test_centres_are_fitted_on_a_sample_of_many_users(monkeypatch: pytest.MonkeyPatch) -> None:
    angles = np.random.default_rng(0).normal(np.repeat([0.0, 2.0, 4.0], [200, 120, 80]), 0.05)
    vectors_UD = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    whole = segments(vectors_UD)
    monkeypatch.setattr("penchant.publishing.segments.FITTED_USERS", 100)
    assert np.array_equal(segments(vectors_UD), whole)


@pytest.mark.parametrize("vectors_UD", [three_kinds(30), np.ones((60, 4))])
def test_few_users_or_equal_ones_are_one_segment(vectors_UD: np.ndarray) -> None:
    assert segments(vectors_UD).tolist() == [0] * len(vectors_UD)


def test_segments_are_named_by_their_distinctive_categories(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penchant.publishing.segments.LEAST_MEMBERS", 10)
    shop.spoil(1, "user_vectors", part_in_two)
    live = publish(shop.settings, ONE).release_id
    manifest = Release.open(shop.settings, live).manifest
    found = {segment.name: segment.users for segment in manifest.segments}
    assert found == {"TEA and PANS": 15, "PANS and TEA": 15}
    service = RecommendationService(shop.settings)
    assert service.portrait("u3").segment == "PANS and TEA"
    assert service.portrait("u4").segment == "TEA and PANS"


def test_portrait_has_all_features_without_transfer(shop: Any) -> None:
    live = publish(shop.settings, ONE)
    portrait = RecommendationService(shop.settings).portrait("u4")
    assert (portrait.release_id, portrait.snapshot_id) == (live.release_id, ONE)
    assert (portrait.lifecycle_stage, portrait.price_band) == ("active", "standard")
    tea, pans = portrait.interests
    assert (tea.category, tea.weight, tea.low, tea.high) == ("FOOD > TEA", 0.7, 0.5, 0.8)
    assert (tea.arrow, pans.arrow, tea.half_life_days) == ("↑", "↓", 9.0)
    assert tea.transferred == pans.transferred == 0.0
    shown = portrait.render()
    for expected in ("70.0%  (50.0% to 80.0%)   ↑ half-life", "(average of all users)"):
        assert expected in shown


def test_transferred_share_is_of_the_path_or_its_prefix(shop: Any) -> None:
    moved = pa.table(
        {"user_id": ["u4", "u5"], "category": ["FOOD", "HOME > PANS"], "share": [0.25, 1.0]}
    )
    pq.write_table(moved, shop.run(1) / "transferred.parquet")
    publish(shop.settings, ONE)
    service = RecommendationService(shop.settings)
    assert [each.transferred for each in service.portrait("u4").interests] == [0.25, 0.0]
    assert [each.transferred for each in service.portrait("u5").interests] == [1.0, 0.0]
    assert "25% of FOOD > TEA by transfer" in service.portrait("u4").render()


def test_rejects_an_invalid_share_of_transfer(shop: Any) -> None:
    moved = pa.table({"user_id": ["u4"], "category": ["FOOD"], "share": [1.5]})
    pq.write_table(moved, shop.run(1) / "transferred.parquet")
    with pytest.raises(DataError, match="not from 0 to 1"):
        publish(shop.settings, ONE)


def test_user_without_events_has_no_interests(published: Any) -> None:
    portrait = RecommendationService(published.settings).portrait("u0")
    assert (portrait.lifecycle_stage, portrait.interests) == ("prospect", ())
    assert "no interests yet" in portrait.render()


def test_portrait_has_no_segment_without_vectors(shop: Any) -> None:
    report = publish(shop.settings, shop.ready(3, vectors=False))
    assert "user_segments" not in report.counts
    portrait = RecommendationService(shop.settings).portrait("u4")
    assert portrait.segment is None
    assert len(portrait.interests) == 2


@pytest.mark.parametrize(
    ("user_id", "cause"),
    [("nobody", "unknown user 'nobody'"), ("", "is empty"), ("u\x00", "control characters")],
)
def test_rejects_a_malformed_or_unknown_user(published: Any, user_id: str, cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        RecommendationService(published.settings).portrait(user_id)


def test_publishing_rejects_a_snapshot_without_portraits(shop: Any) -> None:
    (shop.settings.snapshots / ONE / "marts" / "user_portrait.parquet").unlink()
    with pytest.raises(DataError, match="no mart user_portrait"):
        publish(shop.settings, ONE)
    assert shop.settings.live_release.current() is None
