"""Publish the selected models' vectors and lists as one release, and write the report.

## What it does

1. `compress`: `penchant compress` writes compressed forms of the retriever's vectors and measures
   the loss of each. It is skipped where popularity is the retriever.
2. `publish`: `penchant publish` writes user vectors, item vectors, ranked lists and the
   popularity prior as one release, verifies counts, norms and the recall of approximate search,
   and then makes it live. Vectors are stored in the smallest form whose loss is at most
   `PENCHANT_COMPRESSION_LOSS`. The previous release stays available. The Asset `release` carries
   the release id.
3. `simulate`, at the same time: `penchant simulate` runs each policy in a small simulated world
   with known ground truth; the report shows the value of exploration.
4. `report`: `penchant report` writes the HTML report of the live release.

## When it runs

After each `train_families`, triggered by the Asset `models`.

## Rerun and backfill

Clear a task, or *Trigger* for the newest snapshot, with `{"snapshot_id": "s-..."}` for another. The
same snapshot and model selection produce the same release id, and a release that is live already is
left unchanged. To return to the previous release: `penchant rollback`.

## Troubleshooting

- `compress` fails: `publish` continues with uncompressed vectors, which are four times as large.
  Fix the cause in the log, then clear `compress` and its downstream tasks.
- `publish` fails: the previous release stays live. The log names the check that failed (a count,
  a norm, the recall). Run `train_families` again for that snapshot; if the check fails again, the
  model is broken.
- `report` fails: the new release is live. Fix the cause in the log, clear `report`.
"""

from airflow.sdk import DAG, TriggerRule

from dags.assets import MODELS, RELEASE
from dags.command import Command
from dags.defaults import GROWS_WITH_DATA, LONGEST_RUN, TAGS
from dags.wakeups import SNAPSHOT_ID, SNAPSHOT_PARAMS, Latest

with DAG(
    dag_id="publish_vectors",
    doc_md=__doc__,
    description="Verify a release and make it live",
    schedule=MODELS,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=LONGEST_RUN,
    default_args=GROWS_WITH_DATA,
    tags=[*TAGS, "serving", "tier-1"],
    params=SNAPSHOT_PARAMS,
):
    latest = Latest(dag_id="publish_vectors")
    compress = Command(task_id="compress", subcommand=["compress", "--snapshot", SNAPSHOT_ID])
    publish = Command(
        task_id="publish",
        subcommand=["publish", "--snapshot", SNAPSHOT_ID],
        trigger_rule=TriggerRule.ALL_DONE,
        event={"snapshot_id": SNAPSHOT_ID},
        event_from_result=["release_id"],
        outlets=[RELEASE],
    )
    simulate = Command(
        task_id="simulate", subcommand=["simulate"], trigger_rule=TriggerRule.ALL_DONE
    )
    report = Command(task_id="report", subcommand=["report"])
    # publishing keeps one core busy, compressing runs beside `track` of the training
    latest >> compress >> [publish, simulate] >> report
