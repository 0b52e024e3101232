"""Evaluate the running experiment on each new snapshot and act on the result.

## What it does

`penchant evaluate-experiment` compares the arms on the outcomes since the experiment started. On a
sample ratio mismatch, or on harm beyond the tolerance, all users get the control again. On a
statistically significant gain, all users get the treatment. Otherwise the experiment continues. The
confidence interval is valid at any time, so frequent evaluation is safe.

## When it runs

After each snapshot, triggered by the Asset `snapshot`.

## Rerun and backfill

Clear the task, or *Trigger* with `{"snapshot_id": "s-..."}`. A decided experiment is finished:
evaluating it again skips the task.

## Troubleshooting

- Task skipped: no experiment is running, or it has no outcomes yet.
- *data rejected*: an arm has no users. Check whether its policy is being served.
"""

from datetime import timedelta

from airflow.sdk import DAG

from dags.assets import SNAPSHOT
from dags.command import Command
from dags.defaults import DEFAULT_ARGS, TAGS
from dags.wakeups import SNAPSHOT_ID, SNAPSHOT_PARAMS, Latest

with DAG(
    dag_id="evaluate_experiment",
    doc_md=__doc__,
    description="Compare the arms of the running experiment",
    schedule=SNAPSHOT,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "policy", "tier-2"],
    params=SNAPSHOT_PARAMS,
):
    latest = Latest(dag_id="evaluate_experiment")
    latest >> Command(
        task_id="evaluate", subcommand=["evaluate-experiment", "--snapshot", SNAPSHOT_ID]
    )
