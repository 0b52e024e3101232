"""A mart in several files becomes one before it is encrypted."""

from pathlib import Path

import pyarrow as pa
import pytest

from penchant.encryption import parquet as pq
from penchant.privacy.encrypt import UNMERGED, _merge_parts, _restore_parts


@pytest.fixture
def mart(tmp_path: Path) -> Path:
    folder = tmp_path / "events.parquet"
    folder.mkdir()
    for name, values in {"0000": [], "2024-01-02": [1, 2], "2024-01-30": [3]}.items():
        column = pa.array(values, pa.int64())
        pq.write_table(pa.table({"a": column}), folder / f"{name}.parquet")
    return folder


def test_it_has_the_rows_of_its_files_in_their_order(mart: Path) -> None:
    assert pq.read_table(mart)["a"].to_pylist() == [1, 2, 3]
    assert pq.read_schema(mart).names == ["a"]
    _merge_parts(mart)
    assert mart.is_file() and pq.read_table(mart)["a"].to_pylist() == [1, 2, 3]
    _merge_parts(mart)
    assert [file.name for file in mart.parent.iterdir()] == ["events.parquet"]


@pytest.mark.parametrize("renamed", [True, False])
def test_a_kill_between_its_steps_is_undone(mart: Path, renamed: bool) -> None:
    parts = mart.with_name(f"{UNMERGED}{mart.name}")
    if renamed:
        mart.rename(parts)
    else:
        _merge_parts(mart)
        parts.mkdir()
    _restore_parts(parts)
    assert not parts.exists() and pq.read_table(mart)["a"].to_pylist() == [1, 2, 3]
