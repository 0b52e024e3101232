"""A large shop: what is cut down, for whom, and that it is recorded."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
import torch
from planted import plant

from penchant.artifacts import RunRecord, Snapshot
from penchant.settings import Settings
from training.commands.train import train
from training.data.histories import DAY, Histories, read_dataset
from training.data.recent_users import recent_users
from training.data.split import split_by_time
from training.families import up_cf
from training.fitting.budget import Budget
from training.fitting.context import TrainingContext
from training.layers.event_types import tuned_strengths
from training.layers.neighbours import add_rows, known_users

OF_NEIGHBOURS = ("user_cf", "up_cf")


def histories(days: list[list[int]], items: int = 4) -> Histories:
    """Users with events of item 0 on these days."""
    lengths_U = np.array([len(each) for each in days])
    times_N = np.array([day * DAY for each in days for day in each], np.int64)
    return Histories(
        np.arange(len(days)),
        np.concatenate([[0], np.cumsum(lengths_U)]).astype(np.int64),
        np.zeros(len(times_N), np.int32),
        times_N,
        np.ones(len(times_N), np.float32),
        items,
        100 * DAY,
    )


def test_recent_users_are_those_with_the_latest_last_event_of_any_type() -> None:
    bought = histories([[1, 50], [], [2], [30]])
    viewed = histories([[3], [], [60], [4]])
    both = Histories(**{**vars(bought), "others": viewed})
    assert recent_users(bought, 2).tolist() == [0, 3]
    assert recent_users(both, 2).tolist() == [0, 2]
    assert recent_users(both, 9).tolist() == [0, 1, 2, 3]


def test_neighbours_are_recent_users_and_nobody_who_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.layers.neighbours.KNOWN_USERS", 2)
    users = histories([[1, 50], [], [2], [30]])
    assert known_users(users).users_U.tolist() == [0, 3]
    assert known_users(users, np.array([0])).users_U.tolist() == [2, 3]


def test_a_user_is_no_neighbour_of_their_own_among_recent_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.layers.neighbours.KNOWN_USERS", 2)
    users = histories([[1], [50], [80]])
    model = up_cf.Model(up_cf.Config())
    model.observe(users)
    assert model.rows_U.tolist() == [1, 2]
    scores_BI = model.scores(users)
    # the share of their own baskets, and of those of each recent user but themselves
    np.testing.assert_allclose(scores_BI[:, 0], [1 + 2, 1 + 1, 1 + 1], atol=1e-6)


@pytest.mark.parametrize("family", ("popularity", *OF_NEIGHBOURS))
def test_recent_users_get_lists_and_the_record_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    snapshot_id = plant(settings)
    dataset = read_dataset(Snapshot.open(settings, snapshot_id))
    monkeypatch.setattr("training.evaluation.lists.LISTED_USERS", 10)
    monkeypatch.setattr("training.layers.neighbours.KNOWN_USERS", 12)
    run = settings.runs / snapshot_id / train(settings, snapshot_id, family).run_id
    listed = pq.read_table(run / "ranked_lists.parquet")["user_id"].to_pylist()
    recent = recent_users(dataset.histories, 10)
    assert listed == [dataset.user_ids[row] for row in recent]
    cuts = {f"lists of the 10 most recently active of {len(dataset.user_ids)} users"}
    if family in OF_NEIGHBOURS:
        cuts |= {"neighbours among the 12 most recently active users"}
    assert set(RunRecord.read(RunRecord.path(run)).cuts) == cuts


def test_strengths_are_tuned_on_a_sample_and_the_last_fit_has_all_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("training.layers.event_types.TUNED_ON_USERS", 3)
    bought = histories([[1, 50, 80, 95]] * 9)
    viewed = Histories(**{**vars(bought), "types_N": np.ones(36, np.int8)})
    split = split_by_time(Histories(**{**vars(bought), "others": viewed}))
    cuts, users = list[str](), list[int]()
    context = TrainingContext(
        split.validation,
        None,
        torch.device("cpu"),
        0,
        Budget(600, 10**6),
        tmp_path,
        cut=cuts.append,
    )
    tuned_strengths(
        split.train,
        lambda train, strengths: users.append(len(train)),
        lambda batch: torch.zeros(len(batch), 4),
        context,
    )
    assert set(users[:-1]) == {3}
    assert users[-1] == 9
    assert cuts == ["strengths of event types tuned on 3 of 9 users"]


@pytest.mark.parametrize("share", [0.01, 0.9])
def test_rows_are_added_whether_few_or_many_cells(share: float) -> None:
    rows = sp.random(5, 400, share, "csr", np.float32, np.random.default_rng(1))
    scores_BI = torch.ones(5, 400)
    add_rows(scores_BI, rows, 0.5)
    np.testing.assert_allclose(scores_BI.numpy(), 1 + 0.5 * rows.toarray(), rtol=1e-6)
