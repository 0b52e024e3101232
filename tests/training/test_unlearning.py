"""Families that unlearn exactly: less some users, a model is that of a fit without them."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from planted import SNAPSHOT, plant

from penchant.artifacts import SubjectRequest
from penchant.errors import BudgetExceeded
from penchant.settings import Settings
from training.commands.train import train
from training.commands.unlearning import difference, record_unlearning
from training.data.histories import Dataset, Histories
from training.data.split import Split, split_by_time
from training.fitting.budget import Budget
from training.fitting.capabilities import Unlearns
from training.fitting.context import TrainingContext
from training.fitting.factory import default_config, make, make_ranker
from training.fitting.family import Ranker
from training.names import FAMILIES, UNLEARNS

GONE = np.array([0, 7, 33])
WITHOUT = "s-20240401-0123456789ac"
ONE_VALUE: dict[str, dict[str, Any]] = {
    "popularity": {"half_lives_days": (28.0,)},
    "personal_frequency": {"half_lives_days": (60.0,)},
    "item_cf": {"half_lives_days": (60.0,), "neighbour_weights": (0.02,), "neighbours": 7},
    "ease": {"same_tag": 0.5, "together": 0.3, "min_buyers": 8},
}
"""Nothing to tune: a fit without users may otherwise select other values."""


def without_gone(histories: Histories) -> Histories:
    return histories.take(np.setdiff1d(np.arange(len(histories)), GONE))


def fitted(name: str, histories: Histories, dataset: Dataset, folder: Path) -> Ranker:
    family = make_ranker(name, replace(default_config(name), **ONE_VALUE.get(name, {})))
    split = split_by_time(histories)
    family.fit(split, context_of(split, dataset, folder))
    family.observe(histories)
    return family


def context_of(split: Split, dataset: Dataset, folder: Path) -> TrainingContext:
    return TrainingContext(
        split.validation, dataset.items, torch.device("cpu"), 0, Budget(600, 10**5), folder
    )


@pytest.mark.parametrize("name", UNLEARNS)
@pytest.mark.parametrize("types", ["one", "two"])
def test_less_users_a_model_is_that_of_a_fit_without_them(
    name: str, types: str, dataset: Dataset, tmp_path: Path
) -> None:
    histories = dataset.histories if types == "one" else _with_carts(dataset.histories)
    whole = fitted(name, histories, dataset, tmp_path)
    rest = without_gone(histories)
    refit = fitted(name, rest, dataset, tmp_path)
    assert whole.tuned == refit.tuned

    subtracted = make_ranker(name, whole.config)
    subtracted.load_state(whole.state())
    subtracted.tuned = whole.tuned
    assert isinstance(subtracted, Unlearns)
    split = split_by_time(histories)
    subtracted.unlearn(split, histories, GONE, context_of(split, dataset, tmp_path))

    expected = refit.state()
    left = difference(subtracted.state(), expected)
    assert left is not None and left <= subtracted.rounding
    contributed = difference(whole.state(), expected)
    assert contributed is None or contributed > 100 * left
    batch = replace(rest, users_U=np.arange(len(rest)))  # as in data without them
    assert torch.allclose(subtracted.scores(batch), refit.scores(batch), rtol=0, atol=1e-5)


def test_entries_say_which_families_unlearn() -> None:
    found = {name for name in FAMILIES if isinstance(make(name, default_config(name)), Unlearns)}
    assert found == set(UNLEARNS)


@pytest.fixture
def erased(settings: Settings) -> Settings:
    """A live snapshot without the user `u000`, whose erasure waits to be finished, beside the one
    that has them; both with a run of popularity."""
    plant(settings)
    before, after = settings.snapshots / SNAPSHOT, settings.snapshots / WITHOUT
    _copy_without(before, after, "u000")
    for snapshot_id in (SNAPSHOT, WITHOUT):
        train(settings, snapshot_id, "popularity")
    train(settings, SNAPSHOT, "user_cf")
    settings.live_snapshot.flip(WITHOUT)
    SubjectRequest(
        id="q-1",
        kind="erase",
        pseudonym="p",
        user_id="u000",
        requested_at=datetime(2024, 4, 2),
        state="cleaned",
        affected=(SNAPSHOT,),
    ).save(settings)
    return settings


def test_runs_of_both_snapshots_are_compared_once(erased: Settings) -> None:
    found = record_unlearning(erased)
    assert found is not None and found.untrained == ("user_cf",)
    (run,) = found.runs
    assert run.is_exact and run.difference is not None and run.difference < 1e-6
    assert run.before and run.before != run.run_id
    for path in (erased.runs / SNAPSHOT).glob("popularity-*/model.safetensors"):
        path.unlink()  # as the end of a killed call
    assert record_unlearning(erased) == found


def test_other_data_that_landed_is_why_nothing_was_compared(erased: Settings) -> None:
    _copy_without(erased.snapshots / WITHOUT, erased.snapshots / WITHOUT, "u001")
    users = pq.read_table(erased.snapshots / SNAPSHOT / "marts" / "users.parquet")
    pq.write_table(
        users.filter(pc.not_equal(users["user_id"], "u000")),
        erased.snapshots / WITHOUT / "marts" / "users.parquet",
    )
    found = record_unlearning(erased)
    assert found is not None
    (run,) = found.runs
    assert not run.is_exact and run.why_not == "data of other people has landed or changed since"


def test_a_comparison_over_its_budget_keeps_no_request_open(
    erased: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def over(*_: object) -> None:
        raise BudgetExceeded("training took more than its 1 MB", "raise it")

    monkeypatch.setattr("training.commands.unlearning._figures", over)
    found = record_unlearning(erased)
    assert found is not None
    assert [each.why_not for each in found.runs] == ["training took more than its 1 MB"]


def test_nothing_is_recorded_while_their_snapshot_is_live(erased: Settings) -> None:
    erased.live_snapshot.flip(SNAPSHOT)
    assert record_unlearning(erased) is None


def _with_carts(histories: Histories) -> Histories:
    """Every third event is a cart."""
    is_cart_N = np.arange(len(histories.items_N)) % 3 == 0
    carts = histories.only(is_cart_N)
    added = replace(carts, types_N=np.full(len(carts.items_N), 1, np.int8))
    return replace(histories.only(~is_cart_N), others=added)


def _copy_without(source: Path, target: Path, user: str) -> None:
    """A snapshot without the rows of a user."""
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        elif path.suffix == ".parquet":
            copy.parent.mkdir(parents=True, exist_ok=True)
            table = pq.read_table(path)
            if "user_id" in table.column_names:
                table = table.filter(pc.not_equal(table["user_id"], user))
            pq.write_table(table, copy)
        else:
            text = path.read_text().replace(source.name, target.name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text)
