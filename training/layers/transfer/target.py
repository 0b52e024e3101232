"""The target of a transfer: its items and events, and the evaluation of their ranking.

The items of a target are ranked among themselves, for the users with an event of the target.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch

from penchant.errors import DataError
from training.data.histories import Histories, IntArray
from training.data.split import Split, Window
from training.evaluation.metrics.full_ranking import Scorer, evaluate_window
from training.fitting.context import TrainingContext

Keep = Callable[[Histories], Histories]


@dataclass(frozen=True)
class Target:
    """The items and events of a target.

    ``items_J``: rows of the items, ascending. ``source``: the users' events of the source;
    ``wanted``: of the target, to predict; ``train``: of both, to read. ``window``: of all items, to
    tune on. ``tags_JT``: see catalogue.py. ``population``: evaluated on all of its items or on
    those ``new`` to a user.
    """

    items_J: IntArray
    source: Histories
    wanted: Histories
    train: Histories
    window: Window
    tags_JT: sp.csr_matrix
    population: str = "all"

    def __post_init__(self) -> None:
        if not len(self.wanted.items_N):
            raise DataError(
                "the target's items have no event in the training data",
                "wait for its first events, or use another target",
            )

    def alone(self, histories: Histories) -> Histories:
        """The events of its items, as a catalogue of its own."""
        return alone(histories, self.items_J)

    def alone_in(self, window: Window) -> Window:
        """A window of that catalogue, of users with a target event in it."""
        return Window(self.alone(window.histories), self.alone(window.targets)).evaluated()

    def split(self) -> Split:
        """A split of that catalogue, for training from scratch."""
        window = self.alone_in(self.window)
        return Split(self.alone(self.wanted), window, window)

    def ndcg(self, score: Scorer, context: TrainingContext) -> float:
        """Mean NDCG@10 on its window; 0 without users."""
        context.budget.check()
        values_U = self.values(score, self.window)
        return float(values_U.mean()) if len(values_U) else 0.0

    def values(self, score: Scorer, window: Window) -> npt.NDArray[np.float64]:
        """NDCG@10 of its items among themselves, of each user of a window with a target event.

        ``score``: histories of all items -> scores_BJ.
        """
        everything = window.histories
        row_U = np.zeros(int(everything.users_U.max(initial=0)) + 1, np.int64)
        row_U[everything.users_U] = np.arange(len(everything))
        evaluated = self.alone_in(window)
        if not len(evaluated.targets):
            return np.zeros(0)
        found = evaluate_window(
            lambda part: score(everything.take(row_U[part.users_U])), evaluated, (self.population,)
        )
        return found[self.population].values["ndcg@10"]


def alone(histories: Histories, items_J: IntArray) -> Histories:
    """The events of these items, as a catalogue of its own: item j is items_J[j]."""
    place_I = np.full(histories.item_count, -1, np.int32)
    place_I[items_J] = np.arange(len(items_J))
    place_N = place_I[histories.items_N]
    kept = histories.only(place_N >= 0)
    return replace(kept, items_N=place_N[place_N >= 0], item_count=len(items_J))


def cached_scorer(score: Scorer, window: Window) -> Scorer:
    """A scorer that looks up the scores of a window's users, computed once."""
    scores_UI = score(window.histories) if len(window.histories) else torch.zeros(0, 0)
    row_U = np.zeros(int(window.histories.users_U.max(initial=0)) + 1, np.int64)
    row_U[window.histories.users_U] = np.arange(len(window.histories))
    return lambda batch: scores_UI[torch.from_numpy(row_U[batch.users_U])]


def tuning_and_guard_halves(window: Window, items_J: IntArray) -> tuple[Window, Window]:
    """Two halves of a window's users with an event of these items: for tuning, and for the
    guard."""
    went_U = window.targets.only(np.isin(window.targets.items_N, items_J)).lengths_U > 0
    rows_B = np.flatnonzero(went_U)
    return window.take(rows_B[::2]), window.take(rows_B[1::2])


def thinned(items_J: IntArray, share: float, seed: int, since: int = 0) -> Keep:
    """A filter that keeps a share of the events of these items since a moment, and all others.

    The sample is a hash of the event, so that the same events are kept in every part of the
    histories.
    """

    def keep(histories: Histories) -> Histories:
        own_N = np.isin(histories.items_N, items_J) & (histories.times_N >= since)
        user_N = histories.users_U[histories.rows_N]
        return histories.only(
            ~own_N | (_uniform(user_N, histories.times_N, histories.items_N, seed) < share)
        )

    return keep


def _uniform(
    user_N: IntArray, time_N: IntArray, item_N: npt.NDArray[np.int32], seed: int
) -> npt.NDArray[np.float64]:
    """A pseudo-random number in [0, 1) for each event: splitmix64 (Steele et al. 2014)."""
    state_N = np.full(len(user_N), seed, np.uint64)
    for part_N in (user_N, time_N, item_N):
        state_N = _mixed(state_N ^ part_N.astype(np.uint64))
    return state_N / 2.0**64


def _mixed(state_N: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    state_N = state_N + np.uint64(0x9E3779B97F4A7C15)
    state_N = (state_N ^ (state_N >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state_N = (state_N ^ (state_N >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed_N: npt.NDArray[np.uint64] = state_N ^ (state_N >> np.uint64(31))
    return mixed_N
