"""Fit every model family on a snapshot, then choose which of them serve.

## What it does

1. `train`: one mapped task for each name in `training/names.py` runs `penchant train`. They hold
   the pool `gpu` one at a time (`PENCHANT_TRAININGS_AT_ONCE` on one machine) and ask for the queue
   `gpu`, so that under CeleryExecutor a worker beside an accelerator takes them; LocalExecutor runs
   them where it is.
2. `combine`: the families that are made of others' runs (`fusion`), when all those are done,
   whatever became of them. They combine what is there.
3. `choose`: `penchant choose` compares the families and names the retriever and the ranker. It runs
   when all are done, whatever became of them, and lists those that are missing. Then the Asset
   `models` starts `publish_vectors`.
4. `track`: `penchant track` brings MLflow up to date with all runs, the failed ones too. Nothing
   waits for it.

## Run it again, or for another day

Clear one mapped task to fit that family again: a run with the same snapshot, config, seed and code
is done already and says `unchanged`. *Trigger* with `{"snapshot_id": "s-..."}` for another
snapshot. There is no backfill by date: train on the snapshot of the day you want.

## When it fails

- One family: the others and `choose` go on without it. Its log ends with the cause, and so do the
  choice and the report; after mending, clear that mapped task with all that is downstream: of
  other members, `combine` makes another run.
- `combine`: *there is nothing to combine* where only popularity has a run. `choose` goes on.
- One family is *skipped*: the shop has nothing that it could learn from, such as no campaigns for
  `logistic_response`. That is no fault; its log, the choice and the report say what is lacking.
- *was ended by SIGKILL*: most likely no memory was left. It is tried again a minute later; lower
  `PENCHANT_FAMILY_MEMORY_MB` or `PENCHANT_TRAININGS_AT_ONCE`, or give the machine more.
- `choose`: without `popularity` there is nothing to beat and no prior. Mend that family first.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, TriggerRule

from dags.assets import FEATURES, MODELS
from dags.defaults import (
    DEFAULT_ARGS,
    GPU_POOL,
    GPU_QUEUE,
    OF_A_SNAPSHOT,
    SNAPSHOT_ID,
    TAGS,
    Command,
)
from training.names import COMBINED, FAMILIES

TRAINING: dict[str, Any] = {
    "pool": GPU_POOL,
    "queue": GPU_QUEUE,
    "map_index_template": "{{ task.subcommand[2] }}",
    # a family that fails twice will not be fixed by a third try, and holds the one slot
    "retries": 1,
    "execution_timeout": timedelta(hours=2),
}


def training_of(family: str) -> list[str]:
    """The subcommand that fits a family."""
    return ["train", "--family", family, "--snapshot", SNAPSHOT_ID, "--no-track"]


with DAG(
    dag_id="train_families",
    doc_md=__doc__,
    description="One training run a family, then the choice of retriever and ranker",
    schedule=FEATURES,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "training"],
    **OF_A_SNAPSHOT,
):
    train = Command.partial(task_id="train", **TRAINING).expand(
        subcommand=[training_of(family) for family in FAMILIES if family not in COMBINED]
    )
    # not ALL_DONE_MIN_ONE_SUCCESS, which is skipped itself as soon as one family is skipped
    combine = Command.partial(
        task_id="combine", trigger_rule=TriggerRule.ALL_DONE, **TRAINING
    ).expand(subcommand=[training_of(family) for family in COMBINED])
    choose = Command(
        task_id="choose",
        subcommand=["choose", "--snapshot", SNAPSHOT_ID],
        trigger_rule=TriggerRule.ALL_DONE,
        event={"snapshot_id": SNAPSHOT_ID},
        outlets=[MODELS],
    )
    track = Command(
        task_id="track",
        subcommand=["track", "--snapshot", SNAPSHOT_ID],
        trigger_rule=TriggerRule.ALL_DONE,
    )
    train >> combine >> [choose, track]
