"""Shared by all DAGs: owner, tags, pools and retries."""

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from dags.alerts import TaskFailed
from dags.command import CommandFailed, CommandKilled

TAGS = ["penchant"]

DUCKDB_POOL = "duckdb"
GPU_POOL = "gpu"
POOLS = {
    DUCKDB_POOL: (1, "dbt build is the only writer of the DuckDB file"),
    GPU_POOL: (1, "one training run per accelerator: a run may use all of its memory"),
}
"""Slots and their reason. Without an accelerator, gpu has PENCHANT_TRAININGS_AT_ONCE slots."""
GPU_QUEUE = "gpu"
"""Celery workers beside a GPU listen to it. LocalExecutor has no queues and ignores it."""

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=CommandKilled,
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=60),
            reason="killed by a signal, usually out of memory: wait for other tasks to finish",
        ),
        RetryRule(
            exception=CommandFailed,
            action=RetryAction.RETRY,
            retry_delay=timedelta(seconds=10),
            reason="subcommands are idempotent and resume from completed work",
        ),
    ],
)
"""Rejected data and invalid arguments raise AirflowFailException, which is never retried."""

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "platform",
    "retries": 2,
    "retry_delay": timedelta(seconds=10),
    "retry_policy": RETRY_POLICY,
    # of work that doesn't grow with the shop, on a machine many times slower
    "execution_timeout": timedelta(minutes=30),
    # after the last try
    "on_failure_callback": TaskFailed(),
}

GROWS_WITH_DATA: dict[str, Any] = {
    **DEFAULT_ARGS,
    # ends a task that hangs: a build of ten million events took 45 minutes on two shared cores
    "execution_timeout": timedelta(hours=6),
}
LONGEST_RUN = timedelta(hours=12)
"""``dagrun_timeout`` of the DAGs with these arguments."""


NO_PAST_RUN = timedelta(0)
"""``run_immediately`` of a schedule that starts with its next time. With False, Airflow 3.3 also
runs the previous time if it is less than a tenth of the interval ago."""
