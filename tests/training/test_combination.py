"""A combination is at least as good as its best member, on what its weights were found on."""

import numpy as np
import torch

from training.data.histories import DAY, Histories, starts
from training.data.split import Split, Window
from training.evaluation.metrics.full_ranking import evaluate_window
from training.fitting.family import Ranker, State
from training.layers.fusion.combination import combine

ITEMS, USERS = 30, 40


class Knows(Ranker):
    """Scores the item that follows a user's only one, for the users that it knows."""

    def __init__(self, knows: int) -> None:
        super().__init__(None)
        self.knows = knows

    def fit(self, split: Split, context: object) -> None: ...

    def scores(self, batch: Histories) -> torch.Tensor:
        scores_BI = torch.zeros(len(batch), ITEMS)
        for row, (user, item) in enumerate(zip(batch.users_U, batch.items_N, strict=True)):
            if user % 2 == self.knows:
                scores_BI[row, (item + 1) % ITEMS] = 1
        return scores_BI

    def state(self) -> State:
        return {}

    def load_state(self, state: State) -> None: ...


def histories(items_U: np.ndarray, day: int) -> Histories:
    users_U = np.arange(USERS)
    return Histories(
        users_U,
        starts(np.ones(USERS, np.int64)),
        items_U.astype(np.int32),
        np.full(USERS, day * DAY),
        np.ones(USERS, np.float32),
        ITEMS,
        (day + 1) * DAY,
    )


def test_combines_complementary_families_and_drops_useless_one() -> None:
    items_U = np.arange(USERS) % ITEMS
    window = Window(histories(items_U, 0), histories((items_U + 1) % ITEMS, 1))
    combination = combine([Knows(0), Knows(1), Knows(7)], window)
    found = evaluate_window(combination.scores, window, ("new",))["new"].values["ndcg@10"]
    np.testing.assert_allclose(found, 1.0)
    assert combination.weights[2] == 0
    assert all(combination.weights[:2])
