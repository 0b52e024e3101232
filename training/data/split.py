"""The split by time: learn before T1, tune in [T1, T2), report on what comes after T2.

Two windows of a fortnight at the end of the data: validation chooses (a family's settings, when to
stop, which family goes live), test is only reported. A random or leave-one-out split would let a
model learn from other users' future: Meng et al. 2020, "Exploring Data Splitting Strategies for
the Evaluation of Recommendation Models".
"""

from dataclasses import dataclass

import numpy as np

from penchant.errors import DataError
from training.data.histories import DAY, Histories, IntArray

WINDOW_DAYS = 14


@dataclass(frozen=True)
class Window:
    """A time in which recommendations are judged.

    ``histories``: all that was known when the window began (its ``end``); ``targets``: what the
    same users then did in it.
    """

    histories: Histories
    targets: Histories

    def take(self, rows_B: IntArray) -> "Window":
        return Window(self.histories.take(rows_B), self.targets.take(rows_B))

    def evaluated(self) -> "Window":
        """Only the users who did something in the window."""
        return self.take(np.flatnonzero(self.targets.lengths_U))


@dataclass(frozen=True)
class Split:
    """``train``: events before T1. Windows: validation [T1, T2) and test [T2, as_of)."""

    train: Histories
    validation: Window
    test: Window


def split_by_time(histories: Histories, days: int = WINDOW_DAYS) -> Split:
    """Split at T1 = as_of - 2·days and T2 = as_of - days.

    Raises DataError when a part is empty: the data spans too little time.
    """
    as_of = histories.end
    t1, t2 = as_of - 2 * days * DAY, as_of - days * DAY
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
                f"the {name} part of the split by time is empty",
                f"land data of more than {2 * days} days before {np.datetime64(as_of, 's')}",
            )
    return split
