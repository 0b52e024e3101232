"""Materialize a snapshot's features and build the training sets that use features.

## What it does

- `training_sets`: `penchant training-sets` joins features to labels point-in-time, with Feast's
  historical retrieval. The Asset `features` triggers `train_families`.
- `materialize`, at the same time: `penchant materialize` writes the snapshot's features to a new
  online store and, when it is complete, makes it live. Training doesn't wait for it, a release
  does.

## When it runs

After each `build_snapshot`, triggered by the Asset `snapshot`.

## Rerun and backfill

Clear a task, or *Trigger* for the newest snapshot, with `{"snapshot_id": "s-..."}` for another. A
snapshot that is online already is left unchanged. There is no backfill by date: a snapshot contains
the features of past days.

## Troubleshooting

- *invalid arguments*: the snapshot doesn't exist or has not passed its checks. Run
  `build_snapshot` first.
- Any other failure: the previous features stay online. The last lines of the log name the feature
  view. Views are derived from the dbt manifest: fix the mart's YAML and run `build_snapshot`.
"""

from airflow.sdk import DAG

from dags.assets import FEATURES, SNAPSHOT
from dags.command import Command
from dags.defaults import GROWS_WITH_DATA, LONGEST_RUN, TAGS
from dags.wakeups import SNAPSHOT_ID, SNAPSHOT_PARAMS, Latest

with DAG(
    dag_id="materialize_features",
    doc_md=__doc__,
    description="Online features and point-in-time training sets",
    schedule=SNAPSHOT,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=LONGEST_RUN,
    default_args=GROWS_WITH_DATA,
    tags=[*TAGS, "features", "tier-1"],
    params=SNAPSHOT_PARAMS,
):
    latest = Latest(dag_id="materialize_features")
    materialize = Command(
        task_id="materialize", subcommand=["materialize", "--snapshot", SNAPSHOT_ID]
    )
    training_sets = Command(
        task_id="training_sets",
        subcommand=["training-sets", "--snapshot", SNAPSHOT_ID],
        event={"snapshot_id": SNAPSHOT_ID},
        outlets=[FEATURES],
    )
    latest >> [training_sets, materialize]
