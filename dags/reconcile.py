"""Wake every DAG of the chain that is behind: the newest data always reaches a release.

## What it does

One task for each DAG of the chain: `penchant reconcile` compares the newest state in the home with
what the DAG has done. If the DAG is behind and has no active run, an event of the asset that
triggers it wakes it. Normally nothing is behind and all tasks are skipped. `check_deadline` sends
an alert if the live snapshot has no release `PENCHANT_RELEASE_HOURS` after it passed its checks,
and a week before the legal deadline of an erasure.

## When it runs

Every ten minutes.

## Rerun and backfill

*Trigger* it at any time. There is no backfill: it looks at the current state.

## Troubleshooting

- A task succeeds several times for the same snapshot: the DAG that it wakes fails each time. Read
  that DAG's last run. It is woken at the 1st, 2nd, 4th, 8th … check, so a lasting failure does not
  repeat every ten minutes.
- A task fails: a record in the home can't be read. Its log names the file and what to do.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from dags.assets import FEATURES, LANDING, MODELS, SNAPSHOT
from dags.command import Command
from dags.defaults import DEFAULT_ARGS, NO_PAST_RUN, TAGS
from dags.wakeups import Wake

WOKEN_BY = {
    "build_snapshot": LANDING,
    "materialize_features": SNAPSHOT,
    "train_families": FEATURES,
    "publish_vectors": MODELS,
}

with DAG(
    dag_id="reconcile",
    doc_md=__doc__,
    description="Wake the DAGs that are behind",
    schedule=CronTriggerTimetable("*/10 * * * *", timezone="UTC", run_immediately=NO_PAST_RUN),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "reconciliation", "tier-2"],
):
    for dag_id, asset in WOKEN_BY.items():
        Wake(task_id=f"wake_{dag_id}", wakes=dag_id, outlets=[asset])
    Command(task_id="check_deadline", subcommand=["check-deadline"])
