"""Let a learned policy through the gate, or say why not.

## What it does

`penchant evaluate-policy` reads what the policy of `learn_policy` would have earned in the log. If
the lower end of that estimate is above what was earned, the policy becomes the treatment of an
experiment, for a share of users (`PENCHANT_EXPERIMENT_SHARE`); `evaluate_experiment` decides
from there. What is served to the others stays.

## Run it again, or for another day

Clear the task, or *Trigger* with `{"snapshot_id": "s-..."}`. The same policy is promoted once.

## When it fails

- A skipped task: the policy is not better for sure, or the log is too small to say. The log's last
  line has the figures, and so has the report.
- *was called wrongly*: another experiment still runs, or there is no learned policy.
"""

from datetime import timedelta

from airflow.sdk import DAG

from dags.assets import POLICY
from dags.defaults import DEFAULT_ARGS, OF_A_SNAPSHOT, SNAPSHOT_ID, TAGS, Command

with DAG(
    dag_id="evaluate_policy",
    doc_md=__doc__,
    description="The gate before a policy meets a user",
    schedule=POLICY,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "policy"],
    **OF_A_SNAPSHOT,
):
    Command(task_id="evaluate", subcommand=["evaluate-policy", "--snapshot", SNAPSHOT_ID])
