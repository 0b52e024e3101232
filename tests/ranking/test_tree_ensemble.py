"""Scores of the compact evaluation equal those of LightGBM."""

from typing import Any

import lightgbm
import numpy as np
import pytest

from penchant.ranking.tree_ensemble import TreeEnsemble


def booster(leaves: int = 31, trees: int = 20, **options: Any) -> lightgbm.Booster:
    """Trained on features with missing values, ties and a constant."""
    random = np.random.default_rng(0)
    features_NF = random.normal(size=(3000, 8)).astype(np.float32)
    features_NF[:, 1] = random.integers(0, 4, 3000)
    features_NF[random.random((3000, 8)) < 0.2] = np.nan
    features_NF[:, 2], features_NF[:, 3] = 1.0, random.integers(-3, 3, 3000)  # never missing
    label_N = np.nan_to_num(features_NF).sum(axis=1) + random.normal(size=3000) > 1
    data = lightgbm.Dataset(features_NF, label_N, group=[100] * 30)
    fixed = {"objective": "lambdarank", "verbose": -1, "num_threads": 1, "seed": 0}
    return lightgbm.train({**fixed, "num_leaves": leaves, **options}, data, trees)


def rows() -> np.ndarray:
    """Candidates of one user: the first two features are equal."""
    random = np.random.default_rng(1)
    features_CF = random.normal(size=(200, 8)).astype(np.float32)
    features_CF[:, 1] = random.integers(0, 4, 200)
    features_CF[random.random((200, 8)) < 0.3] = np.nan
    features_CF[:, 0], features_CF[:, 4] = 0.5, np.nan
    return features_CF


@pytest.mark.parametrize("leaves", [2, 31, 32, 63, 64])
def test_equals_lightgbm(leaves: int) -> None:
    model = booster(leaves)
    trees = TreeEnsemble.of(model.model_to_string())
    for features_CF in (rows(), rows()[:1], rows()[::-1]):
        expected_C = model.predict(features_CF, raw_score=True)
        np.testing.assert_allclose(trees.raw_scores(features_CF), expected_C, atol=1e-12)


def test_a_value_at_a_threshold_goes_left_as_in_lightgbm() -> None:
    """But for thresholds around 0, where LightGBM takes up to 1e-35 for 0."""
    model = booster()
    trees = TreeEnsemble.of(model.model_to_string())
    for table in trees.tables:
        thresholds_N = table.thresholds_N[abs(table.thresholds_N) > 1e-30]
        features_CF = np.zeros((len(thresholds_N), 8))
        features_CF[:, table.feature] = thresholds_N
        expected_C = model.predict(features_CF, raw_score=True)
        np.testing.assert_allclose(trees.raw_scores(features_CF), expected_C, atol=1e-12)


def test_scores_no_candidates() -> None:
    assert len(TreeEnsemble.of(booster().model_to_string()).raw_scores(rows()[:0])) == 0


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"leaves": 128, "min_data_in_leaf": 1}, "leaves, more than 64"),
        ({"zero_as_missing": True}, "takes 0 as missing"),
    ],
)
def test_rejects_what_it_does_not_evaluate(options: dict[str, Any], cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        TreeEnsemble.of(booster(**options).model_to_string())


def test_rejects_categorical_splits() -> None:
    text = booster().model_to_string().replace("num_cat=0", "num_cat=1")
    with pytest.raises(ValueError, match="categorical splits"):
        TreeEnsemble.of(text)


def test_rejects_what_is_not_a_model() -> None:
    with pytest.raises(ValueError, match="not a LightGBM model"):
        TreeEnsemble.of("tree\nversion=v4")
