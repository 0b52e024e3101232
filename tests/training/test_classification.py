"""Figures of a classifier equal those of scikit-learn, with correct intervals."""

import numpy as np
import pytest
from sklearn import metrics

from training.evaluation.metrics.auc import user_auc
from training.evaluation.metrics.intervals import weights
from training.evaluation.metrics.multilabel import (
    Answers,
    intervals_of,
    reliability,
    resampled,
    thresholds,
)


def answers(users: int = 300, classes: int = 6) -> Answers:
    """Calibrated, with ties."""
    random = np.random.default_rng(0)
    probability_UC = random.random((users, classes)).round(2) ** 2
    return Answers(probability_UC, random.random((users, classes)) < probability_UC)


def test_figures_equal_scikit_learn() -> None:
    one = answers()
    threshold_C = thresholds(one)
    found = {
        name: value_R[0]
        for name, value_R in resampled(one, threshold_C, weights(300, 0, 3)).items()
    }
    label_UC, yes_UC = one.label_UC, one.probability_UC >= threshold_C
    for average in ("micro", "macro"):
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            label_UC, yes_UC, average=average
        )
        assert found[f"precision_{average}"] == pytest.approx(precision)
        assert found[f"recall_{average}"] == pytest.approx(recall)
        assert found[f"f1_{average}"] == pytest.approx(f1)
    assert found["accuracy"] == pytest.approx((label_UC == yes_UC).mean())
    assert found["accuracy_all"] == pytest.approx(metrics.accuracy_score(label_UC, yes_UC))
    assert found["auc_macro"] == pytest.approx(metrics.roc_auc_score(label_UC, one.probability_UC))
    both = label_UC.any(axis=1) & ~label_UC.all(axis=1)
    each = [
        metrics.roc_auc_score(label_UC[user], one.probability_UC[user])
        for user in np.flatnonzero(both)
    ]
    np.testing.assert_allclose(user_auc(label_UC, one.probability_UC)[both], each)
    assert np.isnan(user_auc(label_UC, one.probability_UC)[~both]).all()


def test_threshold_has_the_best_f1_of_its_class() -> None:
    one = answers()
    for probability_U, label_U, threshold in zip(
        one.probability_UC.T, one.label_UC.T, thresholds(one), strict=True
    ):
        best = max(
            metrics.f1_score(label_U, probability_U >= tried) for tried in np.unique(probability_U)
        )
        assert metrics.f1_score(label_U, probability_U >= threshold) == pytest.approx(best)


def test_auc_interval_equals_that_of_resampling_users() -> None:
    one, random = answers(), np.random.default_rng(1)
    drawn = []
    for _ in range(200):
        rows = random.integers(0, 300, 300)
        drawn.append(metrics.roc_auc_score(one.label_UC[rows], one.probability_UC[rows]))
    found = intervals_of(resampled(one, thresholds(one), weights(300, 0)))["auc_macro"]
    np.testing.assert_allclose(
        [found.low, found.high], np.quantile(drawn, [0.025, 0.975]), atol=0.005
    )


def test_reliability_of_calibrated_answers_is_the_diagonal() -> None:
    bins = reliability(answers(4000), weights(4000, 0, 200))
    assert sum(one.share for one in bins) == pytest.approx(1)
    assert [one.probability for one in bins] == sorted(one.probability for one in bins)
    inside = [one.rate.low - 0.01 <= one.probability <= one.rate.high + 0.01 for one in bins]
    assert all(inside)


def test_class_with_one_label_has_no_auc() -> None:
    label_UC = np.array([[True, False, True], [True, False, False]])
    one = Answers(np.array([[0.9, 0.2, 0.7], [0.8, 0.1, 0.6]]), label_UC)
    threshold_C = thresholds(one)
    assert threshold_C[1] == np.inf
    found = resampled(one, threshold_C, weights(2, 0, 5))
    assert found["auc_macro"][0] == 1.0
    assert found["f1_macro"][0] == pytest.approx(2 / 3)
