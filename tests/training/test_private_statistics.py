"""Shares of items and categories for publication: within the budget, and without what is noise."""

import json
from pathlib import Path

import numpy as np
import pytest

from penchant.artifacts import Mechanism
from penchant.errors import PrivacyRefused, UsageError
from penchant.privacy_ledger import PrivacyLedger
from penchant.settings import Settings
from training.commands.private_statistics import private_statistics, shares
from training.privacy.noise import Noise

Planted = tuple[Settings, str]


def test_statistics_spend_and_are_written(planted: Planted, tmp_path: Path) -> None:
    settings, snapshot_id = planted
    private = settings.model_copy(update={"dp_epsilon": 8.0, "dp_budget": 10.0})
    file = tmp_path / "shares.json"
    published = private_statistics(private, snapshot_id, file, Noise(bytes(32)))
    written = json.loads(file.read_text())
    assert written["categories"] == published.categories and published.categories
    assert sum(written["categories"].values()) == pytest.approx(1, abs=1e-4)
    (entry,) = PrivacyLedger(private).entries()
    assert written["privacy"] == entry.spent.as_dict()
    assert len(entry.mechanisms) == 2 and entry.epsilon <= 8
    with pytest.raises(PrivacyRefused, match="with statistics it would be"):
        private_statistics(private, snapshot_id, tmp_path / "again.json")
    assert not (tmp_path / "again.json").exists()


def test_statistics_without_epsilon_are_refused(planted: Planted, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="PENCHANT_DP_EPSILON isn't set"):
        private_statistics(*planted, tmp_path / "shares.json")


def test_what_noise_alone_could_give_is_left_out() -> None:
    sums_N = np.array([30.0, 1.0, 10.0, -50.0])
    found = shares(sums_N, Mechanism(noise_multiplier=2), ["a", "b", "c", "d"])
    assert found == {"a": 0.75, "c": 0.25}
