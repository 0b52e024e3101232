"""Put a checked snapshot's features online, and assemble the training sets that need features.

## What it does

1. `materialize`: `penchant materialize` writes the snapshot's features to an online store beside
   the one that is being read, and points readers at it when it is whole.
2. `training_sets`: `penchant training-sets` joins features to labels as they were at the label's
   time, with Feast's historical retrieval. Then the Asset `features` starts `train_families`.

## Run it again, or for another day

Clear a task, or *Trigger* with `{"snapshot_id": "s-..."}` for a snapshot of your choice (`penchant
status` prints the live one). A snapshot that is online already is left as it is. Features of past
days are in the snapshot itself, so there is no backfill by date.

## When it fails

- *was called wrongly*: the snapshot does not exist or has not passed its checks. Run
  `build_snapshot` first.
- Anything else: readers still have the features they had. The log's last lines name the view that
  broke; views are derived from the dbt manifest, so fix the mart's YAML and run `build_snapshot`.
"""

from datetime import timedelta

from airflow.sdk import DAG

from dags.assets import FEATURES, SNAPSHOT
from dags.defaults import DEFAULT_ARGS, OF_A_SNAPSHOT, SNAPSHOT_ID, TAGS, Command

with DAG(
    dag_id="materialize_features",
    doc_md=__doc__,
    description="Feast: features online, training sets point-in-time correct",
    schedule=SNAPSHOT,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "features"],
    **OF_A_SNAPSHOT,
):
    materialize = Command(
        task_id="materialize", subcommand=["materialize", "--snapshot", SNAPSHOT_ID]
    )
    training_sets = Command(
        task_id="training_sets",
        subcommand=["training-sets", "--snapshot", SNAPSHOT_ID],
        event={"snapshot_id": SNAPSHOT_ID},
        outlets=[FEATURES],
    )
    materialize >> training_sets
