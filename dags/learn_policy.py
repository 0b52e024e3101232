"""Learn a policy from what was shown with a known chance; judge it by the later part of the log.

## What it does

`penchant train --family bandit` fits what is believed of clicks on the picks before the last four
weeks and estimates, off-policy, what choosing by it would have earned since. `train_families` has
done so a moment before, with the other families: then the run is there, and nothing is done again.
The Asset `policy` starts `evaluate_policy`.

## Run it again, or for another day

Clear the task, or *Trigger* with `{"snapshot_id": "s-..."}`. The same snapshot, configuration and
code give the same run, which is made once.

## When it fails

- A skipped task: nothing was shown with a propensity, or not for long enough. `penchant serve` logs
  propensities; the sources `open_bandit` and `simulator` have them.
- *refused the data*: a propensity that can't be true, or a policy that the log says nothing of.
"""

from datetime import timedelta

from airflow.sdk import DAG

from dags.assets import MODELS, POLICY
from dags.defaults import DEFAULT_ARGS, GPU_POOL, OF_A_SNAPSHOT, SNAPSHOT_ID, TAGS, Command

with DAG(
    dag_id="learn_policy",
    doc_md=__doc__,
    description="A policy from the log of what was shown",
    schedule=MODELS,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "policy"],
    **OF_A_SNAPSHOT,
):
    Command(
        task_id="learn",
        subcommand=["train", "--family", "bandit", "--snapshot", SNAPSHOT_ID, "--no-track"],
        pool=GPU_POOL,
        event={"snapshot_id": SNAPSHOT_ID},
        outlets=[POLICY],
    )
