"""Candidate sources: their lists, and which of the listed items are ranked."""

from dataclasses import replace

import numpy as np
import torch

from training.data.feature_history import Entities, FeatureTables
from training.data.histories import DAY, Histories
from training.layers.ranking.candidate_sources import Source
from training.layers.ranking.examples import features_of, pairs_of
from training.layers.ranking.source_lists import (
    NONE,
    Catalogue,
    Depth,
    SourceLists,
    lists_of,
    recall_at_100,
)

ITEMS = 6


def histories(*of_users: list[int]) -> Histories:
    lengths = [len(items) for items in of_users]
    return Histories(
        np.arange(len(of_users)),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.array([item for items in of_users for item in items], np.int32),
        np.zeros(sum(lengths), np.int64),
        np.ones(sum(lengths), np.float32),
        ITEMS,
        DAY,
    )


def by_number(batch: Histories) -> torch.Tensor:
    """The last item is the best."""
    return torch.arange(batch.item_count, dtype=torch.float32).repeat(len(batch), 1)


def test_list_has_the_best_items_and_then_the_best_new_ones() -> None:
    known = histories([5, 4], [0, 1])
    lists = lists_of(by_number, known, Depth(2, 2), Catalogue.of(known, 1))
    assert lists.items_BL.tolist() == [[5, 4, 1, 0], [5, 4, NONE, NONE]], (
        "items 2 and 3 were never sold, and the second user had all that is left"
    )


def test_items_of_few_buyers_are_not_listed() -> None:
    known = histories([5, 4], [5, 0])
    lists = lists_of(by_number, known, Depth(3), Catalogue.of(known, 2))
    assert lists.items_BL.tolist() == [[5], [5]]


def test_events_of_other_types_are_of_listed_items_too() -> None:
    bought = replace(histories([5], [5]), others=histories([4, 5], [3]))
    seen = Catalogue.of(bought, 2).only(bought).others
    assert seen is not None and seen.item_count == 1
    assert seen.items_N.tolist() == [0] and seen.lengths_U.tolist() == [1, 0]


def test_listed_items_after_the_candidates_are_features_only() -> None:
    batch = histories([5])
    tables = FeatureTables((), (), Entities({}, {}), DAY)
    lists = {
        Source("tifu_knn", Depth(1)): SourceLists(np.array([[3]]), np.array([[0.5]])),
        Source("popularity", Depth(4), candidates=2): SourceLists(
            np.array([[5, 4, 3, 2]]), np.array([[4.0, 3.0, 2.0, 1.0]])
        ),
    }
    pairs = pairs_of(lists, batch)
    assert pairs.item_C.tolist() == [3, 4, 5]
    nan = float("nan")
    np.testing.assert_array_equal(
        features_of(pairs, lists, batch, tables),
        [[0.5, 1, 2, 3], [nan, nan, 3, 2], [nan, nan, 4, 1]],
    )


def test_recall_is_the_share_of_targets_on_the_list() -> None:
    lists = SourceLists(np.array([[0, 1], [2, 3]]), np.ones((2, 2)))
    found = recall_at_100(lists, histories([0, 5], [2, 3]), seed=1)
    assert found is not None and found.mean == 0.75
