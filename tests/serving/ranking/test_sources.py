"""Candidates of several sources: merged in turn, with the scores and ranks of their lists."""

import numpy as np
import pytest

from penchant.serving.ranking.objective import Objective, order, probabilities
from penchant.serving.ranking.sources import Merged, SourceList, listed, merge


def found(source: str, *items: int) -> SourceList:
    """Scores fall from the number of items to 1."""
    items_L = np.array(items, np.int64)
    return SourceList.of(source, items_L, np.arange(len(items), 0, -1.0), personal=True)


@pytest.fixture
def merged() -> Merged:
    return merge([found("history", 7, 3, 9), found("popular", 3, 5), found("new", 1)], 5)


def test_sources_take_turns_and_items_come_once(merged: Merged) -> None:
    assert merged.items_C.tolist() == [7, 3, 1, 5, 9]
    assert [merged.found[place].source for place in merged.source_C] == [
        "history",
        "popular",
        "new",
        "popular",
        "history",
    ]


def lists(merged: Merged, *sources: str) -> tuple[np.ndarray, np.ndarray]:
    """scores_SC and ranks_SC."""
    listed_LC = listed(merged, sources)
    return listed_LC[::2], listed_LC[1::2]


def test_most_limits_the_candidates() -> None:
    assert merge([found("history", 7, 3, 9), found("popular", 5)], 2).items_C.tolist() == [7, 5]


def test_a_candidate_has_the_scores_and_ranks_of_every_list(merged: Merged) -> None:
    scores_SC, ranks_SC = lists(merged, "history", "popular", "empty")
    nan = np.nan
    np.testing.assert_array_equal(scores_SC[0], [3, 2, nan, nan, 1])
    np.testing.assert_array_equal(ranks_SC[0], [1, 2, nan, nan, 3])
    np.testing.assert_array_equal(ranks_SC[1], [nan, 1, nan, 2, nan])
    assert np.isnan(scores_SC[2]).all() and np.isnan(ranks_SC[2]).all()


def test_the_end_of_a_list_has_scores_but_no_candidates() -> None:
    popular = SourceList.of(
        "popular", np.array([3, 5, 7]), np.array([3.0, 2.0, 1.0]), False, most=1
    )
    merged = merge([found("history", 7), popular], 5)
    assert merged.items_C.tolist() == [7, 3]
    np.testing.assert_array_equal(lists(merged, "popular")[1], [[3, 1]])


def test_filtered_candidates_keep_their_ranks() -> None:
    allowed_I = np.ones(10, bool)
    allowed_I[7] = False
    one = merge([found("history", 7, 3, 9).passing(allowed_I)], 5)
    assert one.items_C.tolist() == [3, 9]
    np.testing.assert_array_equal(lists(one, "history")[1], [[2, 3]])


def test_objective_weighs_probability_value_and_novelty() -> None:
    probability_C, price_C, novelty_C = (
        np.array(each) for each in ([0.5, 0.1, 0.2], [1.0, np.nan, 4.0], [0.0, 1.0, 0.5])
    )
    scores_C = Objective(2.0, 1.0, 0.1).scores(probability_C, price_C, novelty_C)
    np.testing.assert_allclose(scores_C, [0.25, 0.01 * 2.5 + 0.1, 0.04 * 4 + 0.05])


def test_equal_probabilities_are_ordered_by_raw_score() -> None:
    raw_C = np.array([1.0, 3.0, 2.0, 3.0])
    assert order(np.full(4, 0.5), raw_C, np.array([4, 9, 2, 1])).tolist() == [3, 1, 2, 0]


def test_probabilities_without_calibration_are_logistic() -> None:
    np.testing.assert_allclose(probabilities(None, np.array([0.0])), [0.5])
