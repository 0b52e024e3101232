"""Families under differential privacy: they learn with little noise, and nothing but the noise."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.data.histories import Dataset, Histories
from training.data.split import Split, split_by_time
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.fitting.factory import default_config, make_ranker
from training.fitting.family import Ranker
from training.layers.sequences.cuts import CutsConfig
from training.names import PRIVATE
from training.privacy.accounting import Guarantee
from training.privacy.noise import Noise

PLENTY = Guarantee(epsilon=1000.0, delta=1e-6)
SMALL: dict[str, dict[str, Any]] = {
    "item_cf": {"private_items": 20},
    "matrix_factorization": {"private_items": 20, "dimensions": 8},
    "ease": {"private_items": 20, "private_regularization": 0.1},
    "ncf": {
        "private_items": 20,
        "dimensions": 8,
        "cuts": CutsConfig(length=20),
        "private_cuts": 1,
        "private_steps": 1,
        "private_sample": 0.5,
    },
}


def fitted(
    name: str, split: Split, dataset: Dataset, guarantee: Guarantee | None, folder: Path
) -> Ranker:
    config = replace(default_config(name), privacy=guarantee, **SMALL.get(name, {}))
    family = make_ranker(name, config)
    context = TrainingContext(
        split.validation, dataset.items, torch.device("cpu"), 0, Budget(600, 10**5), folder
    )
    family.fit(split, context)
    return family


@pytest.fixture
def split(dataset: Dataset) -> Split:
    return split_by_time(dataset.histories)


@pytest.mark.parametrize("name", PRIVATE)
def test_with_little_noise_a_family_learns(
    name: str, split: Split, dataset: Dataset, tmp_path: Path
) -> None:
    family = fitted(name, split, dataset, PLENTY, tmp_path)
    scores = family.scores(split.test.histories)
    assert torch.isfinite(scores).all()
    family.observe(dataset.histories)  # later events change nothing
    assert torch.equal(scores, family.scores(split.test.histories))
    restored = make_ranker(name, family.config)
    restored.load_state(family.state())
    assert torch.allclose(scores, restored.scores(split.test.histories))


@pytest.mark.parametrize("name", PRIVATE)
def test_noise_is_all_that_two_fits_differ_in(
    name: str, split: Split, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is the same for the same noise, and another for other noise."""
    module = f"training.families.{name}.Noise"
    states = []
    for key in (b"1", b"1", b"2"):
        monkeypatch.setattr(module, lambda key=key: Noise(key * 32))
        states.append(fitted(name, split, dataset, Guarantee(1.0, 1e-6), tmp_path).state())
    same, again, other = (
        torch.cat([each.double().ravel() for _, each in sorted(state.items())]) for state in states
    )
    assert torch.allclose(same, again, equal_nan=True)
    assert same.shape != other.shape or not torch.allclose(same, other, equal_nan=True)


@pytest.mark.parametrize("name", PRIVATE)
def test_no_state_but_the_noisy_one_follows_the_data(
    name: str, split: Split, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where noise drowns the data, two data sets give the same state: nothing goes round it."""
    monkeypatch.setattr(f"training.families.{name}.Noise", lambda: Noise(bytes(32)))
    monkeypatch.setattr("training.privacy.contributions.BOUND", 1e-9)
    states = [
        fitted(name, replace(split, train=train), dataset, Guarantee(1.0, 1e-6), tmp_path).state()
        for train in (split.train, _shuffled(split.train))
    ]
    for part, first in states[0].items():
        assert torch.allclose(
            first.double(), states[1][part].double(), atol=1e-3, equal_nan=True
        ), part


def _shuffled(train: Histories) -> Histories:
    """The same users with other items."""
    items_N = np.random.default_rng(0).permutation(train.items_N)
    return replace(train, items_N=items_N)
