"""Remove old snapshots with everything made from them, and old runs of Airflow.

## What it does

1. `prune`: `penchant prune` removes snapshots with their online features, training runs, pages and
   MLflow runs. It keeps the live and the previous ones, those of releases on disk, the pinned ones
   (`penchant pin`), the newest `PENCHANT_KEEP_SNAPSHOTS`, and any that a running stage holds.
2. `clean_airflow`: `penchant clean-airflow` runs `airflow db clean` for runs older than
   `PENCHANT_AIRFLOW_DAYS` in the database of `make up`. Elsewhere it is skipped.

## When it runs

Daily at 04:30 UTC.

## Rerun and backfill

Clear a task or *Trigger* it at any time; a killed run goes on where it stopped. There is no
backfill.

## Troubleshooting

- A snapshot that you need was removed: land the same files with the same dbt project, and
  `penchant build` makes it again with the same id. Pin what must stay.
- `prune` fails: MLflow can't be reached. Fix `PENCHANT_TRACKING`, clear the task.
- `clean_airflow` is skipped: this Airflow has its own database. Schedule `airflow db clean` there.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from dags.command import Command
from dags.defaults import DEFAULT_ARGS, NO_PAST_RUN, TAGS

with DAG(
    dag_id="prune",
    doc_md=__doc__,
    description="Remove what nothing needs any more",
    schedule=CronTriggerTimetable("30 4 * * *", timezone="UTC", run_immediately=NO_PAST_RUN),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "maintenance", "tier-3"],
):
    Command(task_id="prune", subcommand=["prune"])
    Command(task_id="clean_airflow", subcommand=["clean-airflow"])
