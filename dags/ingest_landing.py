"""Land the shop's files as batches, every day, or one day's again.

## What it does

Runs `penchant ingest` for the source in `PENCHANT_SOURCE`. Every file becomes one batch, addressed
by its content: a file that has landed already changes nothing. A file that breaks its contract is
quarantined whole, with the reason, and the rest of the load goes on. A green run announces the
Asset `landing`, which starts `build_snapshot`.

## Run it again, or for another day

- By hand: *Trigger*, with no parameter, lands every file the source has. With `{"date":
  "2011-03-01"}` it lands that day's file only. In a shell: `penchant ingest --date 2011-03-01`.
- Backfill: `airflow backfill create --dag-id ingest_landing --from-date 2010-12-01 --to-date
  2010-12-31` makes one run a day; each lands the file of its own date.
- Clearing a run is safe: the same file twice is one batch.

## When it fails

- *refused the data*: nothing at all of the source could be landed. Read
  `quarantine/<source>/<table>/<hash>/reason.json`, fix the file at its origin, run again.
- *was called wrongly*: `PENCHANT_SOURCE` or `PENCHANT_SOURCE_PATH` names something that isn't
  there. Mend the setting, clear the task.
- A skipped task: the source has no file of that day, as on days when the shop was shut.
- Anything else was tried three times: the last lines of the task's log say what broke.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable, Param

from dags.assets import LANDING
from dags.defaults import DEFAULT_ARGS, TAGS, Command

DAY = "{{ params.date or (ds if dag_run.run_type != 'manual' else '') }}"
"""Nothing for a run by hand: it may carry a logical date, but means all there is."""

with DAG(
    dag_id="ingest_landing",
    doc_md=__doc__,
    description="Land the shop's files as batches",
    # late in the day that the run is named after, when that day's file is there
    schedule=CronTriggerTimetable("50 23 * * *", timezone="UTC"),
    catchup=False,
    # one landing at a time; a backfill's days wait in line
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    params={
        "date": Param(None, type=["null", "string"], format="date", description="only this day")
    },
    tags=[*TAGS, "landing"],
):
    Command(
        task_id="ingest",
        subcommand=["ingest", "--date", DAY],
        outlets=[LANDING],
        execution_timeout=timedelta(minutes=15),
    )
