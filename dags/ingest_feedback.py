"""Land impressions and outcomes every five minutes.

## What it does

`penchant ingest --source feedback` seals the log that the API server writes and lands it as
batches addressed by content. Landed entries are removed from the log. It doesn't trigger a build:
the next `build_snapshot` joins outcomes to impressions.

## When it runs

Every five minutes. Missed intervals are not caught up.

## Rerun and backfill

Clear a run or *Trigger*: an entry lands once. There is no backfill: the log contains everything
that has not landed yet, whatever its day.

## Troubleshooting

- Task skipped: no impressions since the last run.
- *data rejected*: every file of the log violates its contract. `quarantine/feedback/` contains
  the files with their reasons: a client logs impossible values, such as a propensity of zero.
- Any other failure is retried twice. The log keeps all acknowledged entries meanwhile.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from dags.command import Command
from dags.defaults import DEFAULT_ARGS, NO_PAST_RUN, TAGS

with DAG(
    dag_id="ingest_feedback",
    doc_md=__doc__,
    description="Land impressions and outcomes",
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC", run_immediately=NO_PAST_RUN),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "policy", "tier-2"],
):
    Command(task_id="ingest", subcommand=["ingest", "--source", "feedback"])
