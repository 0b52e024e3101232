"""The users who were active most recently: those that a large shop is cut down to."""

import numpy as np

from training.data.histories import Histories, IntArray

NEVER = np.iinfo(np.int64).min // 2  # before all events


def recent_users(histories: Histories, most: int) -> IntArray:
    """Rows of all users, or of the ``most`` with the latest last events of any type, ascending."""
    if len(histories) <= most:
        return np.arange(len(histories))
    recent_first_U = np.argsort(-_last_times(histories), kind="stable")
    return np.sort(recent_first_U[:most])


def _last_times(histories: Histories) -> IntArray:
    """Of each user's last event of any type."""
    last_U = np.full(len(histories), NEVER)
    known_U = histories.lengths_U > 0
    last_U[known_U] = histories.times_N[histories.starts_U1[1:][known_U] - 1]
    return last_U if histories.others is None else np.maximum(last_U, _last_times(histories.others))
