"""Vectors without single items of a history, which reasons need."""

from typing import Any

import numpy as np
import pytest

from penchant.encoders.encoder import Encoder
from penchant.encoders.history import Events, History
from penchant.encoders.ids import Ids
from penchant.encoders.ridge import Ridge
from penchant.encoders.weighted_mean import WeightedMean
from penchant.serving.recommending.reasons import MAX_READ, _affordable

RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(9, 4)).astype(np.float32)
ROWS = np.array([*range(9), -1], np.int32)  # the last item has no vector
ITEMS = tuple(f"i{number}" for number in range(10))


def ridge() -> Ridge:
    shared = VECTORS.astype(np.float64).T @ VECTORS + 0.1 * np.eye(4)
    return Ridge(VECTORS, ROWS, shared, alpha=3.0, tail=1.0)


class SlowOnly:
    """An encoder without a faster way, as an ONNX graph."""

    def __call__(self, events: Events) -> Any:
        return WeightedMean(VECTORS, ROWS, "mean", 1.0)(events)


@pytest.mark.parametrize(
    ("encode", "latest"),
    [
        (WeightedMean(VECTORS, ROWS, "log", 1.0), None),
        (WeightedMean(VECTORS, ROWS, "even", 1.0), None),
        (WeightedMean(VECTORS, ROWS, "mean", 1.0), None),
        (WeightedMean(VECTORS, ROWS, "mean", 1.0), 4),
        (ridge(), None),
        (SlowOnly(), 4),
    ],
)
def test_equal_those_computed_one_by_one(encode: Any, latest: int | None) -> None:
    encoder = Encoder(Ids(np.array([each.encode() for each in ITEMS])), latest, 30.0, None, encode)
    ages = np.linspace(20, 0, 8).astype(np.float32)
    weights = RANDOM.uniform(0.5, 2, 8).astype(np.float32)
    history = History(("i3", "i1", "i9", "i3", "new", "i5", "i0", "i5"), ages, weights)
    left_out = ["i3", "i9", "i0", "i5"]
    found = encoder.encode_without(history, left_out)
    for item_id, vector in zip(left_out, found, strict=True):
        np.testing.assert_allclose(vector, encoder.encode(history.without(item_id)), atol=1e-5)


def test_of_a_history_of_one_item() -> None:
    encoder = Encoder(Ids(np.array([b"i0", b"i1"])), None, None, None, ridge())
    one = History(("i1",), np.zeros(1, np.float32), np.ones(1, np.float32))
    np.testing.assert_allclose(
        encoder.encode_without(one, ["i1"])[0], encoder.encode(History.empty()), atol=1e-5
    )


def test_reads_the_history_again_for_few_items() -> None:
    """An encoder without a faster way tries the items that most recommended items resemble."""
    ids = Ids(np.array([each.encode() for each in ITEMS]))
    history = History(ITEMS[:8], np.zeros(8, np.float32), np.ones(8, np.float32))
    slow = Encoder(ids, 4, None, None, SlowOnly())
    assert slow.events_read_without(history) == 4
    assert Encoder(ids, None, None, None, ridge()).events_read_without(history) == 0
    tried_HT = np.array([[5, 2], [5, 1], [2, 5]])
    assert _affordable(tried_HT, 0).tolist() == [1, 2, 5]
    assert _affordable(tried_HT, MAX_READ // 2).tolist() == [5, 2]
    assert _affordable(tried_HT, 10 * MAX_READ).tolist() == [5, 2], "two at least"
