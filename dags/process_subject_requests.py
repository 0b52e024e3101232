"""Process people's requests to be erased.

## What it does

1. `finish`: `penchant subject finish` completes the erasures of earlier days: it compares the
   models that unlearn exactly with their earlier runs, removes everything made from snapshots with
   the people's data, searches the home for their ids and vectors and writes a signed receipt for
   each.
2. `erase`, whatever became of `finish`: `penchant subject erase` removes what is stored of the
   people who asked since. The Asset `landing` triggers `build_snapshot`; every family is then
   trained on a snapshot without them.

## When it runs

Daily at 02:10 UTC. A request is registered by `penchant subject erase --user ID`, which also
removes the stored rows at once; the next run of the day after the release writes the receipt.

The law gives a month. A week before, the task `check_deadline` of `reconcile` sends an alert for
each request that is still open; docs/adr/0041-legal-deadlines-are-a-task.md says why not a deadline
of this DAG.

## Rerun and backfill

Clear a task or *Trigger* the DAG: both steps go on where they stopped. There is no backfill.

## Troubleshooting

- Both tasks skipped: no request waits.
- `finish` fails with *still live*: no release has been published since the erasure. See why
  `train_families` or `publish_vectors` failed; this DAG completes the request on the next day.
- `finish` fails with *files still mention the person*: a file in the home that Penchant doesn't
  know. Remove it, then clear the task. The request stays open until the search finds nothing.
"""

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable, TriggerRule

from dags.assets import LANDING
from dags.command import Command
from dags.defaults import DEFAULT_ARGS, NO_PAST_RUN, TAGS

with DAG(
    dag_id="process_subject_requests",
    doc_md=__doc__,
    description="Erase people who asked for it, and write receipts",
    schedule=CronTriggerTimetable("10 2 * * *", timezone="UTC", run_immediately=NO_PAST_RUN),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "privacy", "tier-1"],
):
    finish = Command(task_id="finish", subcommand=["subject", "finish"])
    erase = Command(
        task_id="erase",
        subcommand=["subject", "erase"],
        outlets=[LANDING],
        trigger_rule=TriggerRule.ALL_DONE,
    )
    # the other way round, what `erase` has just begun would always be too early to finish
    finish >> erase
