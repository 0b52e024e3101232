"""Watch for drift: has the last day's data, or what was served, changed in kind?

## What it does

`watch_drift`: `penchant watch-drift` compares the days since it last ran with the 28 days before:
what users did, prices and nulls, what was served and how often it was clicked, by model family and
by lifecycle stage of users. It compares features with the snapshot before and with the one that the
live release was trained on, the lists of the last two releases, and the age of what is served. It
writes a record, which the page *Monitoring* of the console and `/metrics` show, and alerts on what
the record before doesn't have.

## When it runs

After each `materialize_features`, triggered by the Asset `features`, at a low priority. A snapshot
is watched once beside each release.

## Rerun and backfill

*Trigger* with `{"snapshot_id": "s-..."}`. To repeat a record, remove its file below
`monitoring/s-.../` in the home first. There is no backfill by date.

## Troubleshooting

- An alert names a quantity and its change. Was it meant: a sale, a new campaign, a new release?
  Then there is nothing to do: the days become part of the reference. Otherwise follow it to its
  source: a null share or a price to the files that landed (`penchant trace`), a click rate or a
  score to the release (`penchant rollback`), *stale* to the DAG that should have made it new.
- Nothing is tested: *untested* in the record says why. It takes 14 days with 100 rows.
- It fails with *has no mart*: the snapshot was built by another version. Clear `build_snapshot`.
"""

from airflow.sdk import DAG

from dags.assets import FEATURES
from dags.command import Command
from dags.defaults import GROWS_WITH_DATA, LONGEST_RUN, TAGS
from dags.wakeups import SNAPSHOT_ID, SNAPSHOT_PARAMS, Latest

with DAG(
    dag_id="watch_drift",
    doc_md=__doc__,
    description="Compare the last day with the days before; alert on drift",
    schedule=FEATURES,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=LONGEST_RUN,
    default_args=GROWS_WITH_DATA,
    tags=[*TAGS, "monitoring", "tier-2"],
    params=SNAPSHOT_PARAMS,
):
    latest = Latest(dag_id="watch_drift")
    watch_drift = Command(
        task_id="watch_drift", subcommand=["watch-drift", "--snapshot", SNAPSHOT_ID]
    )
    latest >> watch_drift
