"""Land the source's files as batches, daily or for a given day.

## What it does

`penchant ingest` reads the source in `PENCHANT_SOURCE`. Every file becomes one batch, addressed
by its content: a file that has landed before changes nothing. A file that violates its contract
is quarantined as a whole, with the reason, and the other files land. If any file landed, the Asset
`landing` triggers `build_snapshot`.

## When it runs

Daily at 23:50 UTC, for the file of that day. Missed days are not caught up.

## Rerun and backfill

- Manual run: *Trigger* without a parameter lands all files of the source. With `{"date":
  "2011-03-01"}` it lands the file of that day only. In a shell: `penchant ingest --date
  2011-03-01`.
- Backfill: `penchant airflow backfill create --dag-id ingest_landing --from-date 2010-12-01
  --to-date 2011-01-01` creates one run per day, each for the file of its own date. The last day is
  the one before `--to-date`.
- Clearing a run is safe: the same file is landed once.

## Troubleshooting

- *data rejected*: no file of the source could be landed. Read
  `quarantine/<source>/<table>/<hash>/reason.json`, fix the file at its source, run again.
- *invalid arguments*: `PENCHANT_SOURCE` or `PENCHANT_SOURCE_PATH` names something that doesn't
  exist. Fix the setting, clear the task.
- Task skipped: nothing new landed, or the source has no file for that day, for example on a day
  without trade.
- Any other failure is retried twice. The last lines of the task's log name the cause.
"""

from airflow.sdk import DAG, CronTriggerTimetable, Param

from dags.assets import LANDING
from dags.command import Command
from dags.defaults import GROWS_WITH_DATA, LONGEST_RUN, NO_PAST_RUN, TAGS

DAY = "{{ params.date or (ds if dag_run.run_type != 'manual' else '') }}"
"""Empty for a manual run: it lands all files, even if it has a logical date."""

with DAG(
    dag_id="ingest_landing",
    doc_md=__doc__,
    description="Land the source's files as batches",
    # late on the day of the logical date, when that day's file exists
    schedule=CronTriggerTimetable("50 23 * * *", timezone="UTC", run_immediately=NO_PAST_RUN),
    catchup=False,
    # one landing at a time; the days of a backfill are queued
    max_active_runs=1,
    dagrun_timeout=LONGEST_RUN,
    default_args=GROWS_WITH_DATA,
    params={
        "date": Param(
            None, type=["null", "string"], format="date", description="land this day only"
        )
    },
    tags=[*TAGS, "landing", "tier-1"],
):
    Command(
        task_id="ingest",
        subcommand=["ingest", "--date", DAY],
        outlets=[LANDING],
    )
