"""On a real log of views, carts and purchases, families gain by reading every event type."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.event_types import CONFIGS, compared, read_log, split_of


@pytest.fixture
def folder() -> Path:
    data = os.environ.get("PENCHANT_TEST_DATA")
    if not data or not (Path(data) / "retail_rocket_subset").is_dir():
        pytest.skip("PENCHANT_TEST_DATA names no folder with retail_rocket_subset")
    return Path(data) / "retail_rocket_subset"


@pytest.mark.long
def test_held_out_purchases_have_no_event_of_their_user(folder: Path) -> None:
    split = split_of(read_log(folder))
    for window in (split.validation, split.test):
        known = window.histories.every_type()
        cells = known.rows_N * known.item_count + known.items_N
        wanted = window.targets.rows_N * known.item_count + window.targets.items_N
        assert len(wanted) and not np.isin(wanted, cells).any()


@pytest.mark.long
def test_three_families_gain_by_more_than_the_paired_interval(folder: Path) -> None:
    gains = {family: compared(str(folder), family)["gain"] for family in CONFIGS}
    assert sum(gain["low"] > 0 for gain in gains.values()) >= 3, gains
