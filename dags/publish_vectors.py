"""Publish the chosen models' vectors and lists as one generation, and write the report.

## What it does

1. `compress`: `penchant compress` makes smaller forms of the retriever's vectors and measures what
   each loses. It is skipped where popularity serves.
2. `publish`: `penchant publish` writes user and item vectors, ranked lists and the prior as one
   generation, verifies counts, norms and the recall of approximate search, and only then makes it
   live. Vectors go online in the smallest form that loses no more than
   `PENCHANT_COMPRESSION_LOSS`. The Asset `generation` carries its id. The generation before stays
   ready.
3. `simulate`: `penchant simulate` lets each policy serve a small world whose truth is known, beside
   the others, so that the report shows what exploring is worth.
4. `report`: `penchant report` writes the HTML report of the live generation.

## Run it again, or for another day

Clear a task, or *Trigger* with `{"snapshot_id": "s-..."}`. The same snapshot and choice give the
same generation id, and a generation that is live already is left as it is. To go back to the one
before: `penchant rollback`.

## When it fails

- `compress`: `publish` goes on with the vectors as they are, four times as large. Mend what the log
  names, then clear `compress` and what follows.
- `publish`: readers still have the generation they had. The log names the figure that did not hold
  (a count, a norm, the recall). Run `train_families` again for that snapshot; if the figure is
  still short, the model it came from is broken.
- `report`: the new generation is live all the same. Mend what the log names, clear `report`.
"""

from datetime import timedelta

from airflow.sdk import DAG, TriggerRule

from dags.assets import GENERATION, MODELS
from dags.defaults import DEFAULT_ARGS, OF_A_SNAPSHOT, SNAPSHOT_ID, TAGS, Verb

with DAG(
    dag_id="publish_vectors",
    doc_md=__doc__,
    description="One generation for online readers, flipped live when verified",
    schedule=MODELS,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "serving"],
    **OF_A_SNAPSHOT,
):
    compress = Verb(task_id="compress", verb=["compress", "--snapshot", SNAPSHOT_ID])
    publish = Verb(
        task_id="publish",
        verb=["publish", "--snapshot", SNAPSHOT_ID],
        trigger_rule=TriggerRule.ALL_DONE,
        event={"snapshot_id": SNAPSHOT_ID},
        event_from_result=["generation_id"],
        outlets=[GENERATION],
    )
    simulate = Verb(task_id="simulate", verb=["simulate"])
    report = Verb(task_id="report", verb=["report"])
    compress >> publish >> report
    simulate >> report
