"""Evaluate a learned policy offline and start an experiment if it is better.

## What it does

`penchant evaluate-policy` estimates from the log what the policy of `learn_policy` would have
earned. If the lower confidence bound of that estimate is above what was earned, the policy
becomes the treatment of an experiment on a share of users (`PENCHANT_EXPERIMENT_SHARE`), and
`evaluate_experiment` decides from there. The other users keep the live policy.

## When it runs

After each `learn_policy`, triggered by the Asset `policy`.

## Rerun and backfill

Clear the task, or *Trigger* with `{"snapshot_id": "s-..."}`. The same policy is promoted once.

## Troubleshooting

- Task skipped: the improvement is not statistically significant, or the log is too small. The
  last line of the log has the figures, and so has the report.
- *invalid arguments*: another experiment is running, or there is no learned policy.
"""

from datetime import timedelta

from airflow.sdk import DAG

from dags.assets import POLICY
from dags.command import Command
from dags.defaults import DEFAULT_ARGS, TAGS
from dags.wakeups import SNAPSHOT_ID, SNAPSHOT_PARAMS, Latest

with DAG(
    dag_id="evaluate_policy",
    doc_md=__doc__,
    description="Off-policy evaluation before an experiment",
    schedule=POLICY,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "policy", "tier-3"],
    params=SNAPSHOT_PARAMS,
):
    latest = Latest(dag_id="evaluate_policy")
    latest >> Command(task_id="evaluate", subcommand=["evaluate-policy", "--snapshot", SNAPSHOT_ID])
