"""Publish the chosen models' vectors and lists as one release, and write the report.

## What it does

1. `compress`: `penchant compress` makes smaller forms of the retriever's vectors and measures what
   each loses. It is skipped where popularity serves.
2. `publish`: `penchant publish` writes user and item vectors, ranked lists and the prior as one
   release, verifies counts, norms and the recall of approximate search, and only then makes it
   live. Vectors go online in the smallest form that loses no more than
   `PENCHANT_COMPRESSION_LOSS`. The Asset `release` carries its id. The release before stays
   ready.
3. `simulate`: `penchant simulate` lets each policy serve a small world whose truth is known, beside
   the others, so that the report shows what exploring is worth.
4. `report`: `penchant report` writes the HTML report of the live release.

## Run it again, or for another day

Clear a task, or *Trigger* with `{"snapshot_id": "s-..."}`. The same snapshot and choice give the
same release id, and a release that is live already is left as it is. To go back to the one
before: `penchant rollback`.

## When it fails

- `compress`: `publish` goes on with the vectors as they are, four times as large. Mend what the log
  names, then clear `compress` and what follows.
- `publish`: readers still have the release they had. The log names the figure that did not hold
  (a count, a norm, the recall). Run `train_families` again for that snapshot; if the figure is
  still short, the model it came from is broken.
- `report`: the new release is live all the same. Mend what the log names, clear `report`.
"""

from datetime import timedelta

from airflow.sdk import DAG, TriggerRule

from dags.assets import MODELS, RELEASE
from dags.defaults import DEFAULT_ARGS, OF_A_SNAPSHOT, SNAPSHOT_ID, TAGS, Command

with DAG(
    dag_id="publish_vectors",
    doc_md=__doc__,
    description="One release for online readers, flipped live when verified",
    schedule=MODELS,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "serving"],
    **OF_A_SNAPSHOT,
):
    compress = Command(task_id="compress", subcommand=["compress", "--snapshot", SNAPSHOT_ID])
    publish = Command(
        task_id="publish",
        subcommand=["publish", "--snapshot", SNAPSHOT_ID],
        trigger_rule=TriggerRule.ALL_DONE,
        event={"snapshot_id": SNAPSHOT_ID},
        event_from_result=["release_id"],
        outlets=[RELEASE],
    )
    simulate = Command(task_id="simulate", subcommand=["simulate"])
    report = Command(task_id="report", subcommand=["report"])
    compress >> publish >> report
    simulate >> report
