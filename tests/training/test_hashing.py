"""Feature hashing: what comes to one place, and what doesn't."""

import numpy as np
import pyarrow as pa
import pytest

from penchant.errors import DataError
from training.layers.responses.hashing import HashedDesign, HashingConfig

NOBODY = frozenset({"user_id"})


def table(**columns: list) -> pa.Table:
    return pa.table({"user_id": [str(row) for row in range(len(columns["kind"]))], **columns})


ROWS = table(
    kind=["a", "b", None, "a"], orders=[1.0, None, 3.0, 7.0], told=[True, False, None, True]
)


def dense(rows: pa.Table, **config: object) -> np.ndarray:
    return HashedDesign.of(rows, NOBODY, HashingConfig(**config)).matrix(rows).toarray()


def test_rows_are_equal_only_for_equal_values() -> None:
    twice = pa.concat_tables([ROWS, ROWS])
    matrix = dense(twice, across=("kind",))
    np.testing.assert_array_equal(matrix[:4], matrix[4:])
    assert len({row.tobytes() for row in matrix}) == 4


def test_cross_separates_what_sum_cannot() -> None:
    rows = table(kind=["a", "a", "b", "b"], side=["l", "r", "l", "r"])
    label = np.array([1.0, -1.0, -1.0, 1.0])
    apart = {
        pairs: np.linalg.lstsq(dense(rows, pairs=pairs), label, rcond=None)[0]
        for pairs in ((), (("kind", "side"),))
    }
    np.testing.assert_allclose(dense(rows, pairs=()) @ apart[()], 0, atol=1e-9)
    crossed = (("kind", "side"),)
    np.testing.assert_allclose(dense(rows, pairs=crossed) @ apart[crossed], label, atol=1e-9)


def test_hashes_are_the_same_in_every_process() -> None:
    places = dense(table(kind=["a"]), buckets=64).nonzero()[1].tolist()
    assert places == [61]  # or a model that was kept would mean something else


def test_unseen_value_and_state_round_trip() -> None:
    config = HashingConfig(across=("kind",))
    design = HashedDesign.of(ROWS, NOBODY, config)
    again = HashedDesign.from_state(design.state("x"), "x", config)
    new = table(kind=["zebra"], orders=[1e9], told=[None])
    assert np.isfinite(again.matrix(new).toarray()).all()
    np.testing.assert_array_equal(design.matrix(ROWS).toarray(), again.matrix(ROWS).toarray())


def test_rejects_tables_without_usable_features() -> None:
    with pytest.raises(DataError, match="has no feature"):
        HashedDesign.of(ROWS.select(["user_id"]), NOBODY, HashingConfig())
    design = HashedDesign.of(ROWS, NOBODY, HashingConfig())
    with pytest.raises(DataError, match="lack orders"):
        design.matrix(ROWS.drop_columns(["orders"]))
