"""Leave-one-out, the split of the published tables: each user's last item is test, the one before
validation.

The files have an order but no times: one line per user, the id and then items, oldest first,
separated by spaces (S3-Rec, Zhou et al. 2020). An event is dated one day before the user's next, so
the temporal split with windows of one day is leave-one-out. Ages and half-lives in days count
events.
"""

from pathlib import Path

import numpy as np

from penchant.errors import DataError
from training.data.histories import DAY, Histories, starts
from training.data.split import Split, Window

SHORTEST = 3  # one item to learn from, one to validate, one to test


def read_sequences(path: Path) -> Histories:
    """Users in the file's order; item i of the file is row i - 1.

    Raises DataError for a missing file, a line that is not of integers from 1, and a user with
    fewer than three items.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist", "point to the folder that holds the sequences")
    with path.open() as lines:
        items = [_items(line, number, path) for number, line in enumerate(lines, 1)]
    if not items:
        raise DataError(f"{path} is empty", "point to the folder that holds the sequences")
    lengths_U = np.array([len(one) for one in items])
    items_N = np.concatenate(items).astype(np.int32) - 1
    starts_U1 = starts(lengths_U)
    steps_N = np.repeat(starts_U1[1:], lengths_U) - np.arange(len(items_N))  # 1: a user's last
    end = int(lengths_U.max() + 1) * DAY
    return Histories(
        users_U=np.arange(len(items)),
        starts_U1=starts_U1,
        items_N=items_N,
        times_N=end - steps_N * DAY,
        weights_N=np.ones(len(items_N), np.float32),
        item_count=int(items_N.max()) + 1,
        end=end,
    )


def leave_one_out(histories: Histories, learn_validation: bool = False) -> Split:
    """Train on all but the last two items of each user; a window's histories are all events before.

    ``learn_validation``: also train on the validation items, as some published tables do; then
    nothing may be tuned on the validation window.
    """
    test_at = histories.end - DAY
    validation_at = test_at - DAY
    return Split(
        histories.before(test_at if learn_validation else validation_at),
        Window(histories.before(validation_at), histories.between(validation_at, test_at)),
        Window(histories.before(test_at), histories.between(test_at, histories.end)),
    )


def _items(line: str, number: int, path: Path) -> np.ndarray:
    try:
        items = np.array(line.split()[1:], dtype=np.int64)
    except ValueError:
        items = np.zeros(SHORTEST, np.int64)
    if len(items) < SHORTEST or items.min() < 1:
        raise DataError(
            f"{path}, line {number}: expected a user id and at least {SHORTEST} item ids from 1",
            "fix the line: `user item item item ...`, separated by spaces",
        )
    return items
