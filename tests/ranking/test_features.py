"""Features of the ranking model: what depends on the moment, and what is missing."""

import numpy as np
import pytest

from penchant.ranking.features import DAY, FeatureColumn, Listed, feature_names, ranking_features

PAIR = "user_item_statistics"
COLUMNS = (
    FeatureColumn("item_profile", "brand", "text", values=("National", "Private")),
    FeatureColumn(PAIR, "pair_decayed", "decayed", half_life_days=10),
    FeatureColumn(PAIR, "pair_purchase_days", "number"),
    FeatureColumn(PAIR, "pair_first_purchased_at", "time"),
    FeatureColumn(PAIR, "pair_last_purchased_at", "time"),
)
NAN = float("nan")
RAW = {
    "item_profile__brand": np.array(["Private", "unheard of", None], object),
    f"{PAIR}__pair_decayed": np.array([4.0, 0.0, NAN]),
    f"{PAIR}__feature_time": np.array([90.0, 90.0, NAN]) * DAY,
    f"{PAIR}__pair_purchase_days": np.array([5.0, 0.0, NAN]),
    f"{PAIR}__pair_first_purchased_at": np.array([60.0, NAN, NAN]) * DAY,
    f"{PAIR}__pair_last_purchased_at": np.array([80.0, NAN, NAN]) * DAY,
}
LISTED = {"tifu_knn": Listed(np.array([0.5, NAN, 0.1]), np.array([1.0, NAN, 2.0]))}


def by_name() -> dict[str, list[float]]:
    found = ranking_features(COLUMNS, RAW, LISTED, 100 * DAY, 3)
    names = feature_names(COLUMNS, tuple(LISTED))
    assert found.shape == (3, len(names)) and found.dtype == np.float32
    return dict(zip(names, found.T.tolist(), strict=True))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("item_profile__brand", [1, NAN, NAN]),
        (f"{PAIR}__pair_decayed", [2, 0, NAN]),  # 10 days after the row's feature time
        (f"{PAIR}__pair_last_purchased_at", [20, NAN, NAN]),
        ("mean gap", [5, NAN, NAN]),
        ("days since last / mean gap", [4, NAN, NAN]),
        ("tifu_knn: rank", [1, NAN, 2]),
    ],
)
def test_feature_is_computed_as_of_the_moment(name: str, expected: list[float]) -> None:
    np.testing.assert_allclose(by_name()[name], expected)


def test_feature_made_of_a_missing_column_is_left_out() -> None:
    assert "last gap" not in feature_names(COLUMNS, ())


def test_value_for_all_candidates_is_repeated() -> None:
    one = {"user_statistics__orders_28d": np.array([3.0])}
    columns = (FeatureColumn("user_statistics", "orders_28d", "number"),)
    assert ranking_features(columns, one, {}, 0.0, 2).tolist() == [[3], [3]]
