"""Train a family at nodes that keep their users' histories, with Flower.

## What it does

`penchant federate` starts Flower's server and one node for each name in the assignment, trains in
rounds, and compares the result with training on all data in one place and at each node alone.
Nodes share what describes items, never a user's vector. See docs/privacy.md.

## When it runs

By hand: *Trigger* with `{"snapshot_id": "s-...", "assignment": "/path/to/nodes.csv"}`.

## Rerun and backfill

Clear the task. The same snapshot, assignment and rules are trained once.

## Troubleshooting

- *PENCHANT_FLOWER ... has no flwr*: run `make federated-environment` on the workers.
- *nodes share one noisy statistic in each of 2 rounds*: trigger it with `rounds` 2, or in a home
  without `PENCHANT_DP_EPSILON`.
- Skipped: the rounds would exceed `PENCHANT_DP_BUDGET`; the log has the figures.
- *rounds did not finish*: a node trains longer than `round_seconds`; the record and `logs/` beside
  it name it.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from dags.command import Command
from dags.defaults import DEFAULT_ARGS, GPU_POOL, TAGS

with DAG(
    dag_id="federated_rounds",
    doc_md=__doc__,
    description="Train a family at nodes that keep their data",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    default_args=DEFAULT_ARGS,
    tags=[*TAGS, "models", "tier-3"],
    params={
        "snapshot_id": Param("", type="string", description="a checked snapshot"),
        "assignment": Param("", type="string", description="CSV file: user_id, node"),
        "family": Param("matrix_factorization", enum=["matrix_factorization", "gru"]),
        "rounds": Param(5, type="integer", minimum=1),
        "rule": Param("fedavg", enum=["fedavg", "fedadam", "trimmed"]),
        "secure": Param(False, type="boolean", description="show the server sums of updates alone"),
        "encrypted": Param(False, type="boolean", description="show it encrypted updates alone"),
    },
):
    Command(
        task_id="federate",
        subcommand=[
            "federate",
            *("--snapshot", "{{ params.snapshot_id }}"),
            *("--assignment", "{{ params.assignment }}"),
            *("--family", "{{ params.family }}"),
            *("--rounds", "{{ params.rounds }}"),
            *("--rule", "{{ params.rule }}"),
            "{{ '--secure' if params.secure else '--no-secure' }}",
            "{{ '--encrypted' if params.encrypted else '--no-encrypted' }}",
        ],
        pool=GPU_POOL,
        execution_timeout=timedelta(hours=10),
    )
