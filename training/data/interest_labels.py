"""What users are interested in: categories of the catalogue, and which of them they act on.

The label space of all families that classify. An interest is a category of one level of the tree,
named by its path. The level is the first one with some tens of categories that are common enough to
learn; the rare ones have no interest of their own. All is taken from the training data, so that the
windows it is judged on have no say in what is asked.
"""

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

ENOUGH = 20  # interests of a level: then no deeper one is looked at
MOST = 64  # interests, those with most users
LEAST_SHARE = 0.05  # of the users of a fortnight, who act on a category that is common enough
LEAST_USERS = 5  # of a fortnight, likewise
NAMED = 4  # interests, where one that is asked about is unknown
CUTS = 6  # fortnights at the end of the training data that are learned from
NO_INTEREST = -1


@dataclass(frozen=True)
class Interests:
    """The C interests, those with most users first.

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
        """label_UC: which interests each user acts on in the time that ``targets`` are of."""
        return (
            targets.matrix(targets.weights_N) @ one_hot(self.interest_I, len(self))
        ).toarray() > 0


def find_interests(items: pa.Table, train: Histories) -> Interests:
    """The interests of a catalogue, in the order of the item rows, by how users act in training.

    Raises DataError when no item has a category, or when fewer than two are common enough.
    """
    if not any(name in items.column_names and len(items[name].drop_null()) for name in LEVELS):
        raise DataError(
            "the catalogue has no categories: there are no interests to tell apart",
            f"fill {', '.join(LEVELS)} of the items, from the whole to the part",
        )
    found: Interests | None = None
    windows = cut_points(train)
    for level in range(1, len(LEVELS) + 1):
        one = _of_level(items, windows, level)
        if found is None or len(one) > len(found):
            found = one
        if len(found) >= ENOUGH:
            break
    assert found is not None, "there is a level"
    if len(found) < 2:
        raise DataError(
            f"{len(found)} category is acted on by enough users, at least "
            f"{LEAST_SHARE:.0%} in a fortnight: there is nothing to tell apart",
            "land more data, or give the items finer categories",
        )
    return found


def row_of(title: str, titles_C: tuple[str, ...], left_out: int) -> int:
    """The place of an interest. Raises UsageError when there is none of this title; it names those
    that may be meant."""
    if title not in titles_C:
        near = _meant(title, titles_C)
        raise UsageError(
            f"no interest is called {title!r}; {left_out} rare categories have none",
            f"ask for one of the {len(titles_C)} that have, such as "
            f"{', '.join(repr(one) for one in near)}",
        )
    return titles_C.index(title)


def _meant(title: str, titles_C: tuple[str, ...]) -> list[str]:
    """A few interests that hold these words, else those that are spelled most alike, else any."""
    of_lower = {one.lower(): one for one in titles_C}
    held = [one for lower, one in of_lower.items() if title and title.lower() in lower]
    alike = get_close_matches(title.lower(), of_lower, n=NAMED, cutoff=0.5)
    return (held or [of_lower[one] for one in alike] or list(titles_C))[:NAMED]


def cut_points(train: Histories, cuts: int = CUTS) -> list[Window]:
    """What was known at the beginning of each of the last fortnights, and what was done in it;
    latest first. Fewer where the data is short; those who had not come yet are in none."""
    step = WINDOW_DAYS * DAY
    ends = [train.end - number * step for number in range(cuts)]
    windows = [Window(train.before(end - step), train.between(end - step, end)) for end in ends]
    return [known(window) for window in windows if len(window.histories.items_N)]


def known(window: Window) -> Window:
    """Only the users of whom something was known when the window began: also those who then did
    nothing, which is an answer to what they would act on."""
    return window.take(np.flatnonzero(window.histories.lengths_U))


def one_hot(column_I: IntArray, columns: int) -> sp.csr_matrix:
    """A one for each item in its column; none where that is ``NO_INTEREST``. Float32, I x C."""
    has_I = column_I != NO_INTEREST
    starts_I1 = np.concatenate([[0], np.cumsum(has_I)])
    ones = np.ones(int(has_I.sum()), np.float32)
    return sp.csr_matrix((ones, column_I[has_I], starts_I1), (len(column_I), columns))


def _of_level(items: pa.Table, windows: list[Window], level: int) -> Interests:
    """The common categories of a level; none where no item has any there."""
    paths = category_paths(items, level)
    titles = sorted({path for path in paths if path})
    place = {title: number for number, title in enumerate(titles)}
    category_I = np.array([place.get(path, NO_INTEREST) for path in paths], np.int64)
    every = Interests(tuple(titles), category_I, level, 0)
    users_C = sum(
        (every.acted_on(window.targets).sum(axis=0) for window in windows), np.zeros(len(titles))
    )
    active = sum(np.count_nonzero(window.targets.lengths_U) for window in windows)
    common_C = (users_C >= LEAST_SHARE * active) & (users_C >= LEAST_USERS * len(windows))
    common_C &= users_C > 0
    order_C = np.argsort(-users_C, kind="stable")
    kept = order_C[common_C[order_C]][:MOST]
    interest_of = np.full(len(titles) + 1, NO_INTEREST)  # the last: of items without a category
    interest_of[kept] = np.arange(len(kept))
    return Interests(
        tuple(titles[one] for one in kept), interest_of[category_I], level, len(titles) - len(kept)
    )
