"""The order in which processes of one machine get its cores."""

import os

TRAINING = 3  # of the families that the first release doesn't wait for
INSIGHTS = 10


def yield_to_serving(niceness: int) -> None:
    """Lower this process's priority: the API server, Airflow and releases go first.

    A second call of one process changes nothing.
    """
    current = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(current, niceness))
