"""The trade-off of accuracy and value in a ranking."""

import numpy as np
import pytest

from training.layers.ranking.trade_off import exploration_trade_offs, trade_offs


def test_price_weight_lifts_dear_items_over_likely_ones() -> None:
    """The likely target costs 1, ten others 50."""
    probability_C = np.array([0.9, *[0.5] * 10])
    price_C = np.array([1.0, *[50.0] * 10])
    label_C = np.array([True, *[False] * 9, True])
    by_probability, by_value = trade_offs(
        np.zeros(11, np.int64), probability_C, price_C, label_C, np.array([2]), (0.0, 1.0)
    )
    assert by_probability.brought == pytest.approx(1) and by_value.brought == pytest.approx(50)
    assert by_probability.ndcg > by_value.ndcg


def test_unknown_price_counts_as_the_median() -> None:
    price_C = np.array([np.nan, 1.0, 3.0])
    label_C = np.array([True, False, False])
    (only,) = trade_offs(np.zeros(3, np.int64), np.ones(3), price_C, label_C, np.array([1]), (0.0,))
    assert only.brought == pytest.approx(2)


def test_exploration_weight_lifts_novel_items_over_likely_ones() -> None:
    probability_C, label_C = np.array([0.9, *[0.5] * 10]), np.array([True, *[False] * 10])
    novelty_C = np.array([0.1, *[1.0] * 10])
    likely, novel = exploration_trade_offs(
        np.zeros(11, np.int64), probability_C, novelty_C, label_C, np.array([1]), (0.0, 1.0)
    )
    assert likely.ndcg == 1 and novel.ndcg == 0
    assert likely.brought == pytest.approx(0.91) and novel.brought == 1
