"""Metrics equal values computed by hand; intervals cover the truth as often as they promise."""

import math

import numpy as np
import pytest
import torch

from training.data.histories import Histories, starts
from training.data.split import Window
from training.evaluation.metrics.coverage import coverage
from training.evaluation.metrics.full_ranking import evaluate_window, rank, top
from training.evaluation.metrics.gini import gini
from training.evaluation.metrics.intervals import bootstrap, intervals, resampled_means
from training.evaluation.metrics.intra_list_diversity import intra_list_diversity
from training.evaluation.metrics.leaderboard import BEYOND_ACCURACY, accuracy, beyond_accuracy
from training.evaluation.metrics.novelty import novelty
from training.evaluation.metrics.recommended_lists import NO_ITEM, RecommendedLists


def histories(*users: list[int], items: int = 30) -> Histories:
    lengths = np.array([len(user) for user in users])
    flat = np.array([item for user in users for item in user], np.int32)
    ones = np.ones(len(flat), np.float32)
    return Histories(
        np.arange(len(users)), starts(lengths), flat, np.zeros(len(flat), np.int64), ones, items, 1
    )


def test_accuracy_metrics_equal_values_by_hand() -> None:
    hits = np.zeros((2, 20), bool)
    hits[0, [1, 12]] = True  # of 3 targets, at ranks 2 and 13
    values = accuracy(hits, np.array([3, 1]))
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert values["ndcg@10"] == pytest.approx([1 / math.log2(3) / ideal, 0])
    assert values["ndcg@20"] == pytest.approx([(1 / math.log2(3) + 1 / math.log2(14)) / ideal, 0])
    assert values["recall@10"] == pytest.approx([1 / 3, 0])
    assert values["recall@20"] == pytest.approx([2 / 3, 0])
    assert values["hr@10"].tolist() == [1, 0]
    assert values["mrr@10"].tolist() == [0.5, 0]


def test_new_population_leaves_out_known_items() -> None:
    """User 0 had 0 and 1, then took 0 and 2; user 1 had 2, took it again; user 2 had 3."""
    window = Window(histories([0, 1], [2], [3]), histories([0, 2, 2], [2], []))
    by_number = lambda batch: -torch.arange(30.0).repeat(len(batch), 1)  # noqa: E731
    found = evaluate_window(by_number, window)
    assert found["all"].users.tolist() == [0, 1]
    assert found["all"].values["mrr@10"].tolist() == [1, 1 / 3]
    assert found["all"].found_U.tolist() == [2, 1]  # what was recommended, best first
    assert found["all"].found_items_N.tolist() == [0, 2, 2]
    assert found["new"].users.tolist() == [0]
    assert found["new"].values["mrr@10"].tolist() == [1]  # 0 and 1 are out: 2 is first
    assert found["new"].values["recall@10"].tolist() == [1]


def test_item_without_events_is_never_recommended() -> None:
    window = Window(histories([0], [1]), histories([5], [1]))
    likes_5 = lambda batch: torch.eye(30)[5].repeat(len(batch), 1)  # noqa: E731
    found = evaluate_window(likes_5, window)
    assert found["all"].values["hr@10"].tolist() == [0, 1]
    assert found["all"].items_UK.tolist() == [[0, 1] + [NO_ITEM] * 8] * 2


def lists(*items: list[int], counts: list[int], categories: list[list[int]]) -> RecommendedLists:
    return RecommendedLists(np.array(items), np.array(counts), np.array(categories))


FLAT = [[0, -1, -1]] * 4


def test_coverage_is_the_share_of_items_recommended_to_somebody() -> None:
    two_of_four = lists([0, 1], [1, NO_ITEM], counts=[5, 1, 1, 1], categories=FLAT)
    assert coverage(two_of_four) == 0.5


def test_novelty_is_the_mean_self_information_in_bits() -> None:
    """Shares of events: 1/2, 1/4, 1/8, 1/8."""
    recommended = lists([0, 1], [2, NO_ITEM], counts=[4, 2, 1, 1], categories=FLAT)
    assert novelty(recommended) == pytest.approx((1 + 2 + 3) / 3)


def test_novelty_of_an_item_without_events_is_that_of_one_event() -> None:
    counts_I, no_categories = np.array([8, 0]), np.zeros((2, 1), np.int64)
    recommended = RecommendedLists(np.array([[1]]), counts_I, no_categories)
    assert novelty(recommended) == pytest.approx(3)


def test_gini_is_0_for_even_and_largest_for_concentrated_recommendations() -> None:
    even = lists([0, 1], [2, 3], counts=[1] * 4, categories=FLAT)
    one_item = lists([2, NO_ITEM], [2, NO_ITEM], counts=[1] * 4, categories=FLAT)
    assert gini(even) == 0
    assert gini(one_item) == pytest.approx(3 / 4)
    half = lists([0, 1], [1, 0], counts=[1] * 4, categories=FLAT)
    assert gini(half) == pytest.approx(1 / 2)


def test_intra_list_diversity_is_the_mean_distance_of_category_paths() -> None:
    """Items 0 and 1 share two of four categories, 2 is of another first level, 3 has none."""
    paths = [[0, 0, 0], [0, 0, 1], [1, -1, -1], [-1, -1, -1]]
    assert intra_list_diversity(lists([0, 0], counts=[1] * 4, categories=paths)) == 0
    assert intra_list_diversity(lists([0, 1], counts=[1] * 4, categories=paths)) == 0.5
    assert intra_list_diversity(lists([0, 2], counts=[1] * 4, categories=paths)) == 1
    three = lists([0, 1, 2], [0, 1, 3], counts=[1] * 4, categories=paths)
    assert intra_list_diversity(three) == pytest.approx(((0.5 + 1 + 1) / 3 + 0.5) / 2)


def test_beyond_accuracy_metrics_are_none_without_recommendations() -> None:
    nothing = lists([NO_ITEM, NO_ITEM], counts=[1] * 4, categories=FLAT)
    found = beyond_accuracy(nothing)
    assert found == dict.fromkeys(BEYOND_ACCURACY, None) | {"coverage": 0.0}
    without_categories = lists([0, 1], counts=[1] * 4, categories=[[-1, -1, -1]] * 4)
    assert intra_list_diversity(without_categories) is None


@pytest.mark.parametrize("items", [1, 7, 640, 700, 5000])
@pytest.mark.parametrize("k", [1, 20])
@pytest.mark.parametrize("levels", [3, 40, 10**6])
def test_top_equals_stable_sort(items: int, k: int, levels: int) -> None:
    generator = torch.Generator().manual_seed(items + levels)
    scores_BI = torch.randint(levels, (50, items), generator=generator).float() - 1
    scores_BI[torch.rand(50, items, generator=generator) < 0.2] = -torch.inf
    scores_BI[0] = -torch.inf
    values_BI, items_BI = torch.sort(scores_BI, dim=1, descending=True, stable=True)
    values_BK, items_BK = top(scores_BI, k)
    np.testing.assert_array_equal(values_BK, values_BI[:, :k].numpy())
    np.testing.assert_array_equal(items_BK, items_BI[:, :k].numpy())


def test_rank_equals_plain_sort_for_both_populations() -> None:
    random = np.random.default_rng(4)
    had = histories(
        *(random.integers(0, 300, n).tolist() for n in random.integers(0, 40, 90)), items=310
    )
    then = histories(
        *(random.integers(0, 310, n).tolist() for n in random.integers(0, 4, 90)), items=310
    )
    window = Window(had, then)
    scores_UI = random.normal(size=(90, 310)).astype(np.float32)
    ranked = rank(lambda batch: torch.from_numpy(scores_UI[batch.users_U]), window, 20)
    evaluated = np.flatnonzero(then.lengths_U)
    scores_UI[:, had.counts_I() == 0] = -np.inf
    np.testing.assert_array_equal(ranked["all"][1], np.argsort(-scores_UI[evaluated])[:, :20])
    scores_UI[had.rows_N, had.items_N] = -np.inf
    np.testing.assert_array_equal(ranked["new"][1], np.argsort(-scores_UI[evaluated])[:, :20])
    np.testing.assert_array_equal(ranked["new"][0], -np.sort(-scores_UI[evaluated])[:, :20])


def test_interval_covers_the_truth_19_times_in_20() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        interval = bootstrap(random.exponential(1.0, 200), seed, resamples=300)
        covered += interval.low < 1.0 < interval.high
    assert 180 <= covered <= 198


def test_interval_is_seeded() -> None:
    values = np.random.default_rng(0).random(50)
    assert bootstrap(values, 1) == bootstrap(values, 1) != bootstrap(values, 2)


def test_columns_share_their_resamples() -> None:
    """Many metrics cost as much as one, and a paired difference needs no draws of its own."""
    values = np.random.default_rng(0).random((50, 3))
    for interval, column in zip(intervals(values, 1), values.T, strict=True):
        alone = bootstrap(column, 1)
        assert (interval.low, interval.high) == pytest.approx((alone.low, alone.high))
    means = resampled_means(values, 1)
    apart = resampled_means(values[:, :1] - values[:, 1:2], 1)
    assert apart[:, 0] == pytest.approx(means[:, 0] - means[:, 1])
