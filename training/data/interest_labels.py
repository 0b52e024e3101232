"""Interests: the labels of all families that classify.

An interest is a category of one level of the tree, named by its path. The level is the first with
at least ``ENOUGH`` categories that are common enough to learn; rare categories are left out.
Interests come from the training data alone, so nothing leaks from the evaluation windows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from penchant.errors import DataError, UsageError
from training.data.catalogue import LEVELS, category_paths
from training.data.histories import DAY, Histories, IntArray
from training.data.split import WINDOW_DAYS, Window

BoolArray = npt.NDArray[np.bool_]

ENOUGH = 20  # interests of a level; then deeper levels are not considered
MOST = 64  # interests, those with the most users
LEAST_SHARE = 0.05  # of the active users of a window who act on a common category
LEAST_USERS = 5  # of a window who act on a common category
SUGGESTIONS = 4  # for an unknown interest
CUTS = 6  # windows at the end of the training data
NO_INTEREST = -1


@dataclass(frozen=True)
class Interests:
    """C interests, by number of users, most first.

    ``titles_C``: the path in the tree. ``interest_I``: of each item, or ``NO_INTEREST``. ``level``:
    of the tree, from 1. ``left_out``: categories of that level that are too rare, or beyond
    ``MOST``.
    """

    titles_C: tuple[str, ...]
    interest_I: IntArray
    level: int
    left_out: int

    def __len__(self) -> int:
        return len(self.titles_C)

    def acted_on(self, targets: Histories) -> BoolArray:
        """label_UC: which interests each user acts on in ``targets``."""
        (sums_UO,) = sums_by_interest(targets, self.interest_I, len(self), [targets.weights_N])
        return sums_UO[:, :-1] > 0


def find_interests(items: pa.Table, train: Histories) -> Interests:
    """The interests of a catalogue, by the events of the training data.

    Raises DataError when no item has a category, or fewer than two categories are common enough.
    """
    if not any(name in items.column_names and len(items[name].drop_null()) for name in LEVELS):
        raise DataError(
            "the catalogue has no categories, so there are no interests",
            f"fill {', '.join(LEVELS)} of the items, from general to specific",
        )
    found: Interests | None = None
    windows = window_targets(train)
    for level in range(1, len(LEVELS) + 1):
        one = _of_level(items, windows, level)
        if found is None or len(one) > len(found):
            found = one
        if len(found) >= ENOUGH:
            break
    assert found is not None, "there is a level"
    if len(found) < 2:
        raise DataError(
            f"{len(found)} category has enough users, at least {LEAST_SHARE:.0%} of a window: "
            "at least two interests are needed",
            "land more data, or more specific categories",
        )
    return found


def row_of(title: str, titles_C: tuple[str, ...], left_out: int) -> int:
    """The column of an interest. Raises UsageError with suggestions for an unknown title."""
    if title not in titles_C:
        near = _suggested(title, titles_C)
        raise UsageError(
            f"unknown interest {title!r}; {left_out} rare categories are no interests",
            f"use one of the {len(titles_C)} interests, such as "
            f"{', '.join(repr(one) for one in near)}",
        )
    return titles_C.index(title)


def _suggested(title: str, titles_C: tuple[str, ...]) -> list[str]:
    """Interests that contain the title, else those with the most similar spelling, else any."""
    of_lower = {one.lower(): one for one in titles_C}
    containing = [one for lower, one in of_lower.items() if title and title.lower() in lower]
    similar = get_close_matches(title.lower(), of_lower, n=SUGGESTIONS, cutoff=0.5)
    return (containing or [of_lower[one] for one in similar] or list(titles_C))[:SUGGESTIONS]


def cut_points(train: Histories, cuts: int = CUTS) -> list[Window]:
    """The last windows of the training data, latest first, with the users known before each.
    Fewer than ``cuts`` where the data is short."""
    step = WINDOW_DAYS * DAY
    ends = [train.end - number * step for number in range(cuts)]
    windows = [Window(train.before(end - step), train.between(end - step, end)) for end in ends]
    return [known(window) for window in windows if len(window.histories.items_N)]


def window_targets(train: Histories, cuts: int = CUTS) -> list[Histories]:
    """The targets of ``cut_points``, in a fifth of the time: no history is copied."""
    step, known_U = WINDOW_DAYS * DAY, train.lengths_U > 0
    first_U = np.full(len(train), train.end)
    first_U[known_U] = train.times_N[train.starts_U1[:-1][known_U]]
    ends = [train.end - number * step for number in range(cuts)]
    found = [(train.between(end - step, end), first_U < end - step) for end in ends]
    return [targets.take(np.flatnonzero(known_U)) for targets, known_U in found if known_U.any()]


def known(window: Window) -> Window:
    """Only the users with a history, also those without targets: their labels are all negative."""
    return window.take(np.flatnonzero(window.histories.lengths_U))


def sums_by_interest(
    histories: Histories,
    interest_I: IntArray,
    interests: int,
    values: Iterable[npt.NDArray[np.floating]],
) -> list[npt.NDArray[np.float64]]:
    """sums_UO of each array of values over events: C interests, then all other items together."""
    outputs = interests + 1
    output_N = interest_I[histories.items_N]
    output_N[output_N == NO_INTEREST] = interests
    cell_N, cells = histories.rows_N * outputs + output_N, len(histories) * outputs
    sums = (np.asarray(np.bincount(cell_N, one, minlength=cells), np.float64) for one in values)
    return [one.reshape(-1, outputs) for one in sums]


def one_hot(column_I: IntArray, columns: int) -> sp.csr_matrix:
    """1 for each item in its column, none where that is ``NO_INTEREST``. Float32, I x C."""
    has_I = column_I != NO_INTEREST
    starts_I1 = np.concatenate([[0], np.cumsum(has_I)])
    ones = np.ones(int(has_I.sum()), np.float32)
    return sp.csr_matrix((ones, column_I[has_I], starts_I1), (len(column_I), columns))


def _of_level(items: pa.Table, windows: list[Histories], level: int) -> Interests:
    """The common categories of a level; none where no item has one."""
    paths = category_paths(items, level)
    titles = sorted({path for path in paths if path})
    place = {title: number for number, title in enumerate(titles)}
    category_I = np.array([place.get(path, NO_INTEREST) for path in paths], np.int64)
    every = Interests(tuple(titles), category_I, level, 0)
    users_C = sum(
        (every.acted_on(targets).sum(axis=0) for targets in windows), np.zeros(len(titles))
    )
    active = sum(np.count_nonzero(targets.lengths_U) for targets in windows)
    common_C = (users_C >= LEAST_SHARE * active) & (users_C >= LEAST_USERS * len(windows))
    common_C &= users_C > 0
    order_C = np.argsort(-users_C, kind="stable")
    kept = order_C[common_C[order_C]][:MOST]
    interest_of = np.full(len(titles) + 1, NO_INTEREST)  # the last: items without a category
    interest_of[kept] = np.arange(len(kept))
    return Interests(
        tuple(titles[one] for one in kept), interest_of[category_I], level, len(titles) - len(kept)
    )
