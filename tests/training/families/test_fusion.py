"""Fusion beats what it is made of where each member is good for a part, and comes back whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file

from penchant.artifacts import Snapshot
from penchant.errors import UsageError
from penchant.settings import Settings
from training.commands.train import member_runs, run_id_for, train
from training.configs import main_job
from training.data.histories import DAY, Dataset, Histories, read_dataset, starts
from training.data.split import Split, Window, split_by_time
from training.evaluation.metrics.full_ranking import evaluate_window
from training.families import fusion
from training.families.fusion import Config, Stacked
from training.fitting.budget import Budget
from training.fitting.capabilities import LearnsFromValidation
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State, VectorFamily
from training.layers.fusion.candidates import OF_A_HABIT, habits
from training.layers.fusion.gated import profiles
from training.layers.fusion.stacking import softmax_over_users

ITEMS, USERS, WARM = 60, 160, 6


class Oracle(Ranker):
    """Scores highest what follows a user's last item, for users of whom as much is known."""

    def __init__(self, warm: bool) -> None:
        super().__init__(None)
        self.warm = warm

    def fit(self, split: Split, context: object) -> None: ...

    def scores(self, batch: Histories) -> torch.Tensor:
        random = np.random.default_rng(len(batch) + self.warm)
        scores_BI = torch.from_numpy(random.random((len(batch), ITEMS)))
        for row, (length, end) in enumerate(zip(batch.lengths_U, batch.starts_U1[1:], strict=True)):
            if length and (length >= WARM) == self.warm:
                scores_BI[row, (batch.items_N[end - 1] + 1) % ITEMS] = 3
        return scores_BI

    def state(self) -> State:
        return {"warm": torch.tensor(self.warm)}

    def load_state(self, state: State) -> None:
        self.warm = bool(state["warm"])


def fitted(context: TrainingContext, **members: Ranker) -> tuple[Stacked, Window]:
    """Fitted on users of two or of ten events who go on to the next item; and their window."""
    lengths_U = np.where(np.arange(USERS) % 2, 10, 2)
    random = np.random.default_rng(0)
    items_N = random.integers(ITEMS, size=lengths_U.sum()).astype(np.int32)
    starts_U1 = starts(lengths_U)
    rows_U, ones_N = np.arange(USERS), np.ones(len(items_N), np.float32)
    days_N = np.arange(len(items_N)) - np.repeat(starts_U1[:-1], lengths_U)
    known = Histories(rows_U, starts_U1, items_N, days_N * DAY, ones_N, ITEMS, 10 * DAY)
    next_U = (items_N[starts_U1[1:] - 1] + 1) % ITEMS
    then = Histories(
        rows_U,
        np.arange(USERS + 1),
        next_U,
        np.full(USERS, 11 * DAY),
        ones_N[:USERS],
        ITEMS,
        12 * DAY,
    )
    window = Window(known, then)
    model = Stacked(Config())
    model.fit(Split(known, window, window), replace(context, members=lambda: members))
    return model, window


def test_beats_members_that_are_each_good_for_half_of_users(context: TrainingContext) -> None:
    members = {"cold": Oracle(warm=False), "warm": Oracle(warm=True)}
    model, window = fitted(context, **members)
    others = window.take(np.flatnonzero(~np.isin(np.arange(USERS), model.learned_from_U)))
    assert len(others.histories) == USERS / 2

    def ndcg(family: Ranker) -> float:
        return evaluate_window(family.scores, others)["all"].values["ndcg@10"].mean()

    assert set(model.members) == {"cold", "warm"}
    assert max(ndcg(member) for member in members.values()) < 0.65
    assert ndcg(model) > 0.9


def test_same_seed_gives_same_scores(context: TrainingContext, tmp_path: Path) -> None:
    scores = [
        fitted(replace(context, checkpoints=tmp_path / name), cold=Oracle(False), warm=Oracle(True))
        for name in "ab"
    ]
    (first, window), (second, _) = scores
    assert torch.equal(first.scores(window.histories), second.scores(window.histories))


def test_rejects_popularity_as_only_member(context: TrainingContext) -> None:
    with pytest.raises(UsageError, match="nothing to combine"):
        fitted(context, popularity=Oracle(warm=True))


def test_ablation_attributes_member_to_its_users(
    context: TrainingContext,
) -> None:
    curves: dict[str, list[float]] = {}

    def curve(name: str, step: int, value: float) -> None:
        if name.startswith(fusion.LOST_WITHOUT):
            curves.setdefault(name.removeprefix(fusion.LOST_WITHOUT), []).append(value)

    fitted(replace(context, curve=curve), cold=Oracle(warm=False), warm=Oracle(warm=True))
    assert set(curves) == {"cold", "warm", "own habit", "popularity"}
    assert curves["cold"][0] > 0.3 > abs(curves["cold"][-1])
    assert curves["warm"][-1] > 0.3 > abs(curves["warm"][0])


def test_gate_uses_all_sides_and_has_vectors(dataset: Dataset, tmp_path: Path) -> None:
    split = split_by_time(dataset.histories)
    band = pa.array(["old" if user % 2 else None for user in range(len(dataset.users))])
    users = dataset.users.append_column("age_band", band)
    assert profiles(users).sum(dim=0).tolist() == [0, len(dataset.users) // 2]
    context = TrainingContext(
        split.validation,
        dataset.items,
        torch.device("cpu"),
        0,
        Budget(600, 10**6),
        tmp_path,
        users=users,
    )
    config = Config(mode="gate")
    model = fusion.Model(config)
    model.fit(split, context)
    assert isinstance(model, VectorFamily)
    assert all(0 < model.tuned[f"gate_of_{side}"] < 1 for side in ("content", "profile", "context"))
    model.observe(split.test.histories)
    assert evaluate_window(model.scores, split.test)["all"].values["recall@10"].mean() > 0.8
    again = fusion.Model(config)
    again.load_state(model.state())
    assert torch.equal(model.scores(dataset.histories), again.scores(dataset.histories))


def test_run_id_depends_on_members(
    planted: tuple[Settings, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, snapshot_id = planted
    train(settings, snapshot_id, "user_cf")
    first = train(settings, snapshot_id, "fusion")
    assert first.run_id == run_id_for(settings, snapshot_id, "fusion")
    assert train(settings, snapshot_id, "fusion").status == "unchanged"
    train(settings, snapshot_id, "item_cf")
    assert set(member_runs(settings, snapshot_id)) == {"user_cf", "item_cf"}
    assert run_id_for(settings, snapshot_id, "fusion") != first.run_id


def test_state_restores_members_and_scores(trained_once: tuple[Settings, str]) -> None:
    settings, snapshot_id = trained_once
    run = settings.runs / snapshot_id / run_id_for(settings, snapshot_id, "fusion")
    histories = read_dataset(Snapshot.open(settings, snapshot_id)).histories
    state = load_file(run / "model.safetensors")
    model = Stacked(main_job("fusion"))
    model.load_state(state)
    assert isinstance(model, LearnsFromValidation) and len(model.members) > 1
    again = Stacked(main_job("fusion"))
    again.load_state(model.state())
    scores_BI = model.scores(histories)
    assert torch.isfinite(scores_BI).all()
    assert torch.equal(scores_BI, again.scores(histories))


def test_features_of_own_history_with_item() -> None:
    known = Histories(
        np.arange(2),
        np.array([0, 3, 3]),
        np.array([1, 0, 1], np.int32),
        np.array([0, 10, 20]) * DAY,
        np.ones(3, np.float32),
        3,
        30 * DAY,
    )
    found_NH = habits(known, np.array([0, 1, 2, 3]))  # the last is the second user's
    own = dict(zip(OF_A_HABIT, found_NH[1].tolist(), strict=True))
    assert own["own events"] == pytest.approx(np.log1p(2))
    assert own["days since"] == pytest.approx(np.log1p(10))
    assert own["days between"] == pytest.approx(np.log1p(20))
    assert own["own events, half-life 30 days"] == pytest.approx(np.log1p(0.5 + 0.5 ** (1 / 3)))
    assert not found_NH[2:].any()


def test_loss_is_mean_of_users_cross_entropies() -> None:
    logit_N = torch.tensor([1.0, 2.0, 0.5, -1.0, 3.0])
    row_N = torch.tensor([0, 0, 0, 1, 1])
    hit_N = torch.tensor([True, False, True, False, True])
    one = -logit_N[:3].log_softmax(0)[[0, 2]].mean()
    two = -logit_N[3:].log_softmax(0)[1]
    torch.testing.assert_close(softmax_over_users(logit_N, row_N, hit_N, 3), (one + two) / 3)
