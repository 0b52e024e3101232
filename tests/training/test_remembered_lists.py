"""Remembered lists and vectors equal those that are made anew, of any batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from training.data.histories import DAY, Histories
from training.fitting.remembered_vectors import RememberedVectors
from training.layers.ranking.candidate_sources import FittedSource, Source
from training.layers.ranking.remembered_lists import RememberedLists
from training.layers.ranking.source_lists import Catalogue, Depth

ITEMS = 6


class Counted:
    """Ranks by the user's own events; counts the users that it was asked for."""

    users = 0

    def scores(self, batch: Histories) -> torch.Tensor:
        self.users += len(batch)
        return torch.from_numpy(batch.matrix(batch.weights_N).toarray())


@pytest.fixture
def histories() -> Histories:
    lengths_U = np.array([2, 0, 3])
    return Histories(
        np.arange(3),
        np.concatenate([[0], np.cumsum(lengths_U)]),
        np.array([0, 1, 2, 3, 3], np.int32),
        np.arange(5) * DAY,
        np.ones(5, np.float32),
        ITEMS,
        10 * DAY,
    )


def test_each_history_has_its_vector_computed_once(histories: Histories) -> None:
    model = Counted()
    remembered = RememberedVectors(model.scores)
    for rows in ([0, 1], [2, 0], [1, 2, 0], []):
        batch = histories.take(np.array(rows, np.int64))
        assert torch.equal(remembered.of(batch), Counted().scores(batch))
    assert model.users == 3
    remembered.of(replace(histories, end=11 * DAY))
    assert model.users == 6, "as of another moment"


def test_each_history_is_listed_once_and_a_changed_one_again(histories: Histories) -> None:
    ranker = Counted()
    source = FittedSource(Source("tifu_knn", Depth(2)), ranker, Catalogue.of(histories, 1))  # type: ignore[arg-type]
    remembered = RememberedLists([source])
    for rows in ([0, 1], [2, 0], [1, 2, 0]):
        batch = histories.take(np.array(rows))
        (lists,) = remembered.of(batch).values()
        np.testing.assert_array_equal(lists.items_BL, source.lists(batch).items_BL)
        ranker.users -= len(batch)
    assert ranker.users == 3
    changed = replace(histories, items_N=np.array([5, 1, 2, 3, 3], np.int32))
    remembered.of(changed)
    assert ranker.users == 4
    assert not len(remembered.of(histories.take(np.zeros(0, np.int64)))[source.source].items_BL)
