"""Land what users were shown and did, every few minutes.

## What it does

Runs `penchant ingest --source feedback`: the log that serving keeps is sealed and lands as batches,
addressed by content. What has landed is taken off the log. Nothing is built: the next
`build_snapshot` joins outcomes to impressions, whenever the day's landing starts it.

## Run it again, or for another day

Clear a run, or *Trigger*: what has landed lands once. There is no backfill: the log holds what has
not landed yet, whatever its day.

## When it fails

- A skipped task: nobody was served since the last run.
- *refused the data*: every file of the log broke its contract. `quarantine/feedback/` has the files
  with their reasons: a writer logs what can't be true, such as a propensity of zero.
- Anything else was tried three times; the log keeps all that was acknowledged meanwhile.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from dags.defaults import DEFAULT_ARGS, TAGS, Command

with DAG(
    dag_id="ingest_feedback",
    doc_md=__doc__,
    description="Land what was shown and answered",
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "policy"],
):
    Command(task_id="ingest", subcommand=["ingest", "--source", "feedback"])
