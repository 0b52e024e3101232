"""Global temporal split: train before T1, validate in [T1, T2), test from T2.

Two windows of 14 days at the end of the data; a quarter of it each where there are less than six
weeks. Validation selects hyperparameters, the training step
to keep and the model that goes live; test is only reported. A random or leave-one-out split leaks
other users' future: Meng et al. 2020, "Exploring Data Splitting Strategies for the Evaluation of
Recommendation Models".
"""

from dataclasses import dataclass

import numpy as np

from penchant.errors import DataError
from training.data.histories import DAY, Histories, IntArray

WINDOW_DAYS = 14
SHORTEST_HISTORY = 3 * WINDOW_DAYS  # with less, windows are shorter


@dataclass(frozen=True)
class Window:
    """A period in which families are evaluated.

    ``histories``: events before the window, which begins at their ``end``; ``targets``: events of
    the same users in the window.
    """

    histories: Histories
    targets: Histories

    def take(self, rows_B: IntArray) -> "Window":
        return Window(self.histories.take(rows_B), self.targets.take(rows_B))

    def evaluated(self) -> "Window":
        """Only the users with targets."""
        return self.take(np.flatnonzero(self.targets.lengths_U))

    def without(self, users: IntArray) -> "Window":
        """The other users."""
        return self.take(np.flatnonzero(~np.isin(self.histories.users_U, users)))

    def sampled(self, most: int, seed: int) -> IntArray:
        """Users with targets, as rows of the data set: all of them, or ``most`` at random."""
        users = self.histories.users_U[self.targets.lengths_U > 0]
        order = np.random.default_rng(seed).permutation(len(users))
        return np.sort(users[order[:most]])

    def with_targets_of(self, users: IntArray) -> "Window":
        """The same users, without the targets of any others."""
        kept_U = np.isin(self.histories.users_U, users)
        return Window(self.histories, self.targets.only(kept_U[self.targets.rows_N]))


@dataclass(frozen=True)
class Split:
    """``train``: events before T1. Windows: validation [T1, T2) and test [T2, as_of)."""

    train: Histories
    validation: Window
    test: Window


def window_days(histories: Histories) -> int:
    """Days of a window: 14, or a quarter of the days where there are less than six weeks."""
    first = int(histories.times_N.min()) if len(histories.times_N) else histories.end
    days = -(-(histories.end - first) // DAY)
    return WINDOW_DAYS if days >= SHORTEST_HISTORY else max(1, days // 4)


def windows_of(histories: Histories, days: int | None = None) -> tuple[int, int]:
    """T1 and T2 of histories, in seconds since 1970."""
    days = days or window_days(histories)
    return histories.end - 2 * days * DAY, histories.end - days * DAY


def split_by_time(histories: Histories, days: int | None = None) -> Split:
    """Split at T1 = as_of - 2·days and T2 = as_of - days; ``days`` default to ``window_days``.

    Raises DataError when a part is empty, because the data covers too little time.
    """
    days = days or window_days(histories)
    as_of = histories.end
    t1, t2 = windows_of(histories, days)
    train = histories.before(t1)
    split = Split(
        train,
        Window(train, histories.between(t1, t2)),
        Window(histories.before(t2), histories.between(t2, as_of)),
    )
    parts = {"training": train, "validation": split.validation.targets, "test": split.test.targets}
    for name, part in parts.items():
        if not len(part.items_N):
            raise DataError(
                f"the {name} part of the temporal split is empty",
                f"land more than {2 * days} days of data before {np.datetime64(as_of, 's')}",
            )
    return split
