"""Features of user and item for the next basket, and the model that ranks by them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from training.data.histories import DAY, Histories
from training.families import tifu_knn
from training.layers.repeat.features import NAMES, features, pairs_of, shop_of
from training.layers.repeat.ranker import Config, RepeatRanker, past_windows

END = 100 * DAY


def histories(users: list[list[list[int]]], items: int) -> Histories:
    """Baskets of each user, oldest first, a day apart."""
    lines = [
        (user, item, END - (len(baskets) - place) * DAY)
        for user, baskets in enumerate(users)
        for place, basket in enumerate(baskets)
        for item in basket
    ]
    counts = np.bincount([user for user, _, _ in lines], minlength=len(users))
    return Histories(
        np.arange(len(users)),
        np.concatenate([[0], np.cumsum(counts)]),
        np.array([item for _, item, _ in lines], np.int32),
        np.array([time for _, _, time in lines], np.int64),
        np.ones(len(lines), np.float32),
        items,
        END,
    )


def test_features_count_gaps_between_baskets() -> None:
    # item 0 in the first, third and fourth of four baskets, item 1 in the second
    given = histories([[[0], [1], [0], [0, 2]]], 4)
    pairs = pairs_of(given)
    rows, items = np.array([0, 0, 0]), np.array([0, 1, 3])
    found = features(given, pairs, shop_of(given, pairs), rows, items)
    names = ("count", "age_of_last", "age_of_first", "last_gap", "mean_gap", "share_of_baskets")
    columns = [NAMES.index(name) for name in names]
    assert found[0, columns].tolist() == [3, 0, 3, 1, 1.5, 0.75]
    assert found[1, columns].tolist() == [1, 2, 2, 0, 1000, 0.25]
    assert found[2, columns].tolist() == [0, 1000, 1000, 0, 1000, 0]
    assert found[0, NAMES.index("decayed_1")] == pytest.approx(1 + 0.5 + 0.125)
    assert found[0, NAMES.index("deviation_of_gaps")] == pytest.approx(0.5)


def test_after_last_basket_counts_successors() -> None:
    given = histories([[[0], [1]]] * 10 + [[[2], [0]]], 4)
    pairs = pairs_of(given)
    found = features(given, pairs, shop_of(given, pairs), np.array([10, 10]), np.array([1, 3]))
    after = found[:, NAMES.index("after_last_basket")]
    assert after[0] > 0.5 and after[1] == 0


def test_learns_that_an_item_is_due() -> None:
    """An item is bought every second basket, another every third: frequency prefers the first."""
    users = []
    for user in range(60):
        baskets = []
        for place in range(13 + user % 6):
            due = [0] * (place % 2 == 0) + [1] * (place % 3 == 0)
            baskets.append(due or [2 + user % 3])
        users.append(baskets)
    given = histories(users, 5)
    tifu = tifu_knn.Model(tifu_knn.Config(neighbours=5))
    config = replace(Config(), nearest=5, least_rows=5, rounds=30)
    ranker = RepeatRanker(config, [tifu])
    torch.set_num_threads(1)
    ranker.fit(past_windows(given, 3, DAY), seed=0)
    ranker.observe(given)
    best = ranker.scores(given).argmax(dim=1).tolist()
    due = [
        [0] * (len(one) % 2 == 0) + [1] * (len(one) % 3 == 0) or [2 + user % 3]
        for user, one in enumerate(users)
    ]
    assert np.mean([item in wanted for item, wanted in zip(best, due, strict=True)]) > 0.9
