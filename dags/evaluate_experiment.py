"""Judge the experiment that runs, on each new snapshot, and act on the verdict.

## What it does

`penchant evaluate-experiment` compares the arms by what users answered since it began. Unequal
arms or harm beyond its tolerance give everybody the control again; a gain beyond its interval gives
everybody the treatment; else it goes on. The interval may be looked at as often as one likes.

## Run it again, or for another day

Clear the task, or *Trigger* with `{"snapshot_id": "s-..."}`. An experiment that has been decided is
over: judging again finds nothing to do.

## When it fails

- A skipped task: no experiment runs, or nothing of it has been answered yet.
- *refused the data*: an arm has no user. Look at whether its policy is served at all.
"""

from datetime import timedelta

from airflow.sdk import DAG

from dags.assets import SNAPSHOT
from dags.defaults import DEFAULT_ARGS, OF_A_SNAPSHOT, SNAPSHOT_ID, TAGS, Command

with DAG(
    dag_id="evaluate_experiment",
    doc_md=__doc__,
    description="The running experiment: fair, harmless, better?",
    schedule=SNAPSHOT,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "policy"],
    **OF_A_SNAPSHOT,
):
    Command(task_id="evaluate", subcommand=["evaluate-experiment", "--snapshot", SNAPSHOT_ID])
