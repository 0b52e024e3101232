"""Co-occurrence is what can be counted by hand."""

import numpy as np

from training.data.histories import DAY, Histories
from training.families.glove import cooccurrence


def test_pair_weight_decreases_with_days_between() -> None:
    days_N = np.array([0, 0, 3, 20, 0])  # the last event is another user's
    known = Histories(
        np.arange(2),
        np.array([0, 4, 5]),
        np.array([0, 1, 2, 2, 0], np.int32),
        days_N * DAY,
        np.ones(5, np.float32),
        3,
        30 * DAY,
    )
    expected = [[0, 1, 0.25], [1, 0, 0.25], [0.25, 0.25, 0]]
    np.testing.assert_allclose(cooccurrence(known, 5, 7.0, seed=0).toarray(), expected)
