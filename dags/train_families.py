"""Train every model family on a snapshot, then select the models to serve.

## What it does

1. `plan_first`, `plan` and `plan_others`: `penchant plan-training` lists the families in
   `training/names.py` that have no run with this snapshot, configuration, seed and code. Only these
   are trained.
2. `train_first`: one mapped task per family runs `penchant train`, for the families that train
   fastest. The pool `gpu` limits how many run at a time (`PENCHANT_TRAININGS_AT_ONCE` on one
   machine). The tasks request the queue `gpu`: under CeleryExecutor, workers beside an accelerator
   take them.
3. `publish_first`: `penchant publish-first` publishes a release from these families. It is skipped
   if a release is live.
4. `train`: the same for the other families that rank.
5. `combine_fusion`: trains the family that combines other families' runs, from the runs that
   exist. `combine_lambdamart` combines sources of its own and waits for no run: its priority is
   lower than that of the families that `combine_fusion` waits for, so that both train at a time.
   So do the families of `train_others`, which don't rank.
6. `select_models`: `penchant select-models` compares the families and selects the retriever and
   the ranker. It runs when all families are done, whether or not they succeeded, and lists the
   missing ones. The Asset `models` triggers `publish_vectors`.
7. `track`: `penchant track` logs all runs to MLflow, the failed ones too. No task waits for it.

## When it runs

After each `materialize_features`, triggered by the Asset `features`.

## Rerun and backfill

Clear one mapped task to train that family again. A run with the same snapshot, configuration,
seed and code is complete already and reports `unchanged`. *Trigger* with `{"snapshot_id":
"s-..."}` for another snapshot. There is no backfill by date: train on the snapshot of the day you
want.

## Troubleshooting

- `publish_first` fails: the others continue, and `publish_vectors` publishes the first release.
- One family fails: the others and `select_models` continue without it. Its log ends with the cause;
  the selection and the report show it too. After a fix, clear that mapped task with its downstream
  tasks.
- `combine_fusion` fails with *nothing to combine*: only popularity has a run. `select_models`
  continues.
- One family is skipped with *over budget*: it took more than `PENCHANT_FAMILY_SECONDS` of CPU
  time or `PENCHANT_FAMILY_MEMORY_MB`. It is not retried, and the DAG stays green.
- One family is skipped with *nothing to do*: the data has nothing that it can learn from, for
  example no campaigns for `logistic_response`. Its log, the selection and the report name the
  missing input.
- One family is skipped with *refused by the privacy budget*: with `PENCHANT_DP_EPSILON`, its run
  would exceed `PENCHANT_DP_BUDGET`, or it can't be trained under differential privacy. Without a
  run of `popularity`, `publish_first` and `select_models` are skipped too, and the live release
  goes on serving. `penchant status` shows what was spent.
- *killed by SIGKILL*: usually out of memory. The task is retried after a minute. Lower
  `PENCHANT_FAMILY_MEMORY_MB` or `PENCHANT_TRAININGS_AT_ONCE`, or add memory.
- `select_models` fails: without `popularity` there is no baseline and no popularity prior. Fix that
  family first.
"""

from typing import Any

from airflow.sdk import DAG, TriggerRule

from dags.assets import FEATURES, MODELS, RELEASE
from dags.command import Command
from dags.defaults import GPU_POOL, GPU_QUEUE, GROWS_WITH_DATA, LONGEST_RUN, TAGS
from dags.wakeups import SNAPSHOT_ID, SNAPSHOT_PARAMS, Latest
from training.names import COMBINED, MAIN_JOB, OF_RUNS

TRAINING: dict[str, Any] = {
    "pool": GPU_POOL,
    "queue": GPU_QUEUE,
    # a third try rarely helps, and it occupies the slot
    "retries": 1,
}
MAPPED: dict[str, Any] = {**TRAINING, "map_index_template": "{{ task.subcommand[2] }}"}
COMBINATIONS = tuple(family for family in COMBINED if family in MAIN_JOB)


with DAG(
    dag_id="train_families",
    doc_md=__doc__,
    description="One training run per family, then model selection",
    schedule=FEATURES,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=LONGEST_RUN,
    default_args=GROWS_WITH_DATA,
    tags=[*TAGS, "training", "tier-2"],
    params=SNAPSHOT_PARAMS,
):
    latest = Latest(dag_id="train_families")
    plan_first = Command(
        task_id="plan_first",
        subcommand=["plan-training", "--group", "first", "--snapshot", SNAPSHOT_ID],
        output_field="subcommands",
    )
    plan = Command(
        task_id="plan",
        subcommand=["plan-training", "--group", "ranking", "--snapshot", SNAPSHOT_ID],
        output_field="subcommands",
    )
    plan_others = Command(
        task_id="plan_others",
        subcommand=["plan-training", "--group", "others", "--snapshot", SNAPSHOT_ID],
        output_field="subcommands",
    )
    train_first = Command.partial(task_id="train_first", **MAPPED).expand(
        subcommand=plan_first.output
    )
    publish_first = Command(
        task_id="publish_first",
        subcommand=["publish-first", "--snapshot", SNAPSHOT_ID],
        trigger_rule=TriggerRule.ALL_DONE,
        event={"snapshot_id": SNAPSHOT_ID},
        event_from_result=["release_id"],
        outlets=[RELEASE],
    )
    train = Command.partial(task_id="train", trigger_rule=TriggerRule.ALL_DONE, **MAPPED).expand(
        subcommand=plan.output
    )
    train_others = Command.partial(
        task_id="train_others", trigger_rule=TriggerRule.ALL_DONE, **MAPPED
    ).expand(subcommand=plan_others.output)
    # not ALL_DONE_MIN_ONE_SUCCESS: it is skipped as soon as one family is skipped
    combine = [
        Command(
            task_id=f"combine_{family}",
            subcommand=["train", "--family", family, "--snapshot", SNAPSHOT_ID, "--no-track"],
            trigger_rule=TriggerRule.ALL_DONE,
            **TRAINING,
        )
        for family in COMBINATIONS
    ]
    select_models = Command(
        task_id="select_models",
        subcommand=["select-models", "--snapshot", SNAPSHOT_ID],
        trigger_rule=TriggerRule.ALL_DONE,
        event={"snapshot_id": SNAPSHOT_ID},
        outlets=[MODELS],
    )
    track = Command(
        task_id="track",
        subcommand=["track", "--snapshot", SNAPSHOT_ID],
        trigger_rule=TriggerRule.ALL_DONE,
    )
    latest >> [plan_first, plan, plan_others]
    train_first >> [publish_first, train, train_others]
    train_others >> [select_models, track]
    for family, combination in zip(COMBINATIONS, combine, strict=True):
        (train if family in OF_RUNS else train_first) >> combination >> [select_models, track]
    publish_first >> select_models
