"""Learn a policy from impressions with propensities; evaluate it on the later part of the log.

## What it does

`penchant train --family bandit` fits a click model on the actions before the last four weeks and
estimates, off-policy, what this policy would have earned since then. `train_families` trains the
same run, so normally this task finds it complete. The Asset `policy` triggers `evaluate_policy`.

## When it runs

After each `train_families`, triggered by the Asset `models`.

## Rerun and backfill

Clear the task, or *Trigger* with `{"snapshot_id": "s-..."}`. The same snapshot, configuration and
code are trained once.

## Troubleshooting

- Task skipped: no impressions with propensities, or too few days of them. `penchant serve` logs
  propensities; the sources `open_bandit` and `simulator` contain them.
- *data rejected*: an invalid propensity, or no logged actions in common with the policy.
"""

from datetime import timedelta

from airflow.sdk import DAG

from dags.assets import MODELS, POLICY
from dags.command import Command
from dags.defaults import DEFAULT_ARGS, GPU_POOL, TAGS
from dags.wakeups import SNAPSHOT_ID, SNAPSHOT_PARAMS, Latest

with DAG(
    dag_id="learn_policy",
    doc_md=__doc__,
    description="Learn a policy from logged impressions",
    schedule=MODELS,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "policy", "tier-3"],
    params=SNAPSHOT_PARAMS,
):
    latest = Latest(dag_id="learn_policy")
    latest >> Command(
        task_id="learn",
        subcommand=["train", "--family", "bandit", "--snapshot", SNAPSHOT_ID, "--no-track"],
        pool=GPU_POOL,
        event={"snapshot_id": SNAPSHOT_ID},
        outlets=[POLICY],
    )
