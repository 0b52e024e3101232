"""Remove landed rows that are past their end.

## What it does

`apply_retention`: `penchant apply-retention` removes landed rows whose event is older than
`PENCHANT_RETENTION_DAYS`, or than `meta.retention_days` of their table in dbt's source YAML, and
writes a signed receipt to `privacy/receipts/`. The Asset `landing` triggers `build_snapshot`; what
was derived from the rows ends with the next snapshot, and with `prune`.

## When it runs

Daily at 03:10 UTC.

## Rerun and backfill

Clear the task or *Trigger* the DAG at any time; a killed run goes on where it stopped. There is no
backfill.

## Troubleshooting

- Skipped: no table has an end, or no row is past it.
- *meta.retention_days must be a positive integer*: correct the table in `dbt/models/staging/`.
- Rows are gone that you need: land the source's file again after raising the number of days. A
  batch that lost rows keeps its place: remove its folder in `landing/` first.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from dags.assets import LANDING
from dags.command import Command
from dags.defaults import DEFAULT_ARGS, NO_PAST_RUN, TAGS

with DAG(
    dag_id="apply_retention",
    doc_md=__doc__,
    description="Remove landed rows that are past their end",
    schedule=CronTriggerTimetable("10 3 * * *", timezone="UTC", run_immediately=NO_PAST_RUN),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "privacy", "tier-1"],
):
    Command(task_id="apply_retention", subcommand=["apply-retention"], outlets=[LANDING])
