"""Build the marts from all landed batches and publish them as a validated snapshot.

## What it does

1. `build`: `penchant build` runs dbt on the landed batches and writes the marts as Parquet to a
   new snapshot. It runs in the pool `duckdb`, because it is the only writer of the DuckDB file.
2. `check`: `penchant check` validates the snapshot with Great Expectations and writes Data Docs.
   If validation passes, the snapshot becomes live. The Asset `snapshot`, which carries the
   snapshot id and each mart's rows and seconds, triggers `materialize_features`.

## When it runs

After each successful `ingest_landing`, triggered by the Asset `landing`.

## Rerun and backfill

Clear the task or *Trigger* the DAG. The same batches and the same dbt project produce the same
snapshot id, and completed work is not repeated. There is no backfill by date: a snapshot contains
all landed days. Land the missing days with `ingest_landing`; this DAG follows.

## Troubleshooting

- `build` fails: a dbt model, contract or test failed. The log names it. Fix it under `dbt/` and
  clear the task. If the DuckDB file is locked, close the other process that has it open.
- `check` fails with *data rejected*: a critical expectation failed. The previous snapshot stays
  live. Data Docs show the rows. Fix the data at its source or in staging, then clear `build`. The
  task is not retried, because its input has not changed.
"""

from airflow.sdk import DAG

from dags.assets import LANDING, SNAPSHOT
from dags.command import Command
from dags.defaults import DUCKDB_POOL, GROWS_WITH_DATA, LONGEST_RUN, TAGS
from dags.wakeups import Latest

BUILT = "{{ ti.xcom_pull(task_ids='build')['snapshot_id'] }}"

with DAG(
    dag_id="build_snapshot",
    doc_md=__doc__,
    description="dbt build, then validation with Great Expectations",
    schedule=LANDING,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=LONGEST_RUN,
    default_args=GROWS_WITH_DATA,
    tags=[*TAGS, "snapshot", "tier-1"],
):
    latest = Latest(dag_id="build_snapshot")
    build = Command(
        task_id="build",
        subcommand=["build"],
        pool=DUCKDB_POOL,
    )
    check = Command(
        task_id="check",
        subcommand=["check", "--snapshot", BUILT],
        event={"snapshot_id": BUILT},
        event_from_result=["marts"],
        outlets=[SNAPSHOT],
    )
    latest >> build >> check
