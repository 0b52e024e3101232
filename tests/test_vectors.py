"""Vectors survive being compressed: within half a step, and the same after a file."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penchant import vectors
from penchant.errors import DataError


@pytest.fixture
def plain_ND() -> np.ndarray:
    """Of very uneven dimensions: one far from 0, one always the same."""
    random = np.random.default_rng(0)
    made_ND = (random.normal(size=(200, 12)) * np.geomspace(0.01, 3, 12)).astype(np.float32)
    made_ND[:, 3], made_ND[:, 5] = random.normal(-14, 2, 200), 1
    return made_ND


@pytest.mark.parametrize(("kind", "steps"), [("int8", 127), ("half", 1024)])
def test_decoded_vectors_are_within_half_a_step(
    kind: str, steps: int, plain_ND: np.ndarray
) -> None:
    _, frame = vectors.frames(kind, plain_ND, plain_ND)
    even_ND = (plain_ND - frame.centre_D) / frame.spread_D
    step_ND = np.abs(even_ND).max(axis=1, keepdims=True) / steps * frame.spread_D
    error_ND = np.abs(frame.encode(plain_ND).decoded() - plain_ND)
    assert (error_ND <= 0.51 * step_ND + 1e-6).all()
    assert (error_ND[:, 5] <= 1e-6).all()


@pytest.mark.parametrize("kind", vectors.KINDS)
def test_file_round_trip_is_exact(kind: str, plain_ND: np.ndarray, tmp_path: Path) -> None:
    _, frame = vectors.frames(kind, plain_ND, plain_ND)
    encoded = frame.encode(plain_ND)
    ids = pa.chunked_array([[f"i{row}" for row in range(200)]])
    vectors.write(tmp_path / "v.parquet", vectors.table("item_id", ids, encoded))
    read = pq.read_table(tmp_path / "v.parquet")
    assert (vectors.matrix(read) == encoded.decoded()).all()
    assert (vectors.matrix(read.slice(40, 5)) == encoded.decoded()[40:45]).all()


def test_int8_takes_a_quarter_of_the_bytes(plain_ND: np.ndarray) -> None:
    _, frame = vectors.frames("int8", plain_ND, plain_ND)
    assert frame.encode(plain_ND).numbers_ND.nbytes * 4 == plain_ND.nbytes


@pytest.mark.parametrize(
    ("value", "said"), [(np.nan, "NaN"), (1e9, "out of range of half precision")]
)
def test_rejects_vectors_out_of_range(value: float, said: str, plain_ND: np.ndarray) -> None:
    _, frame = vectors.frames("half", plain_ND, plain_ND)
    plain_ND[3, 3] = value
    with pytest.raises(DataError, match=said):
        frame.encode(plain_ND)
