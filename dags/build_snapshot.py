"""Make the marts from all that has landed, and let only a checked snapshot be read.

## What it does

1. `build`: `penchant build` runs dbt on the landing and leaves the marts as Parquet in a new
   snapshot. It holds the pool `duckdb`: it is the one writer of the DuckDB file.
2. `check`: `penchant check` validates that snapshot with Great Expectations and writes Data Docs.
   When it passes, the snapshot becomes the live one, and the Asset `snapshot` starts
   `materialize_features` with the snapshot's id.

## Run it again, or for another day

Clear the task, or *Trigger* the DAG: the same landing and the same dbt project give the same
snapshot id, and what is done is not done again. There is no backfill by date here: a snapshot holds
all days that have landed. Land the missing days (`ingest_landing`) and this DAG follows.

## When it fails

- `build`: a dbt model, contract or test failed; the log names it. Mend it under `dbt/`, clear the
  task. If it says the DuckDB file is locked, something outside the pool has it open: close that.
- `check`, *refused the data*: a critical expectation does not hold. Readers keep the last good
  snapshot. Data Docs show the rows; fix the data at its origin or in staging, then clear `build`.
  It is not retried, since the data it read hasn't changed.
"""

from datetime import timedelta

from airflow.sdk import DAG

from dags.assets import LANDING, SNAPSHOT
from dags.defaults import DEFAULT_ARGS, DUCKDB_POOL, TAGS, Command

BUILT = "{{ ti.xcom_pull(task_ids='build')['snapshot_id'] }}"

with DAG(
    dag_id="build_snapshot",
    doc_md=__doc__,
    description="dbt build, then Great Expectations: a snapshot that may be read",
    schedule=LANDING,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "snapshot"],
):
    build = Command(
        task_id="build",
        subcommand=["build"],
        pool=DUCKDB_POOL,
        execution_timeout=timedelta(hours=1),
    )
    check = Command(
        task_id="check",
        subcommand=["check", "--snapshot", BUILT],
        event={"snapshot_id": BUILT},
        outlets=[SNAPSHOT],
    )
    build >> check
