"""The DAG files as Airflow parses them: names, wiring, conventions."""

import ast
import itertools
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, Asset
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables import trigger
from airflow.timetables.base import TimeRestriction

from dags.alerts import TIERS, TaskFailed
from dags.command import Command
from dags.defaults import POOLS, TAGS
from dags.wakeups import Latest, Wake
from penchant.platform import chain
from penchant.reconciliation.stages import STAGES
from penchant.settings import Settings
from training.commands.plan_training import GROUPS
from training.names import COMBINED, MAIN_JOB, OF_RUNS

COMBINATIONS = [family for family in COMBINED if family in MAIN_JOB]

DAGS_FOLDER = Path(__file__).resolve().parents[2] / "dags"
CHAIN = (
    "ingest_landing",
    "build_snapshot",
    "materialize_features",
    "train_families",
    "publish_vectors",
)
OTHERS = (
    "apply_retention",
    "ingest_feedback",
    "learn_policy",
    "evaluate_policy",
    "evaluate_experiment",
    "federated_rounds",
    "process_subject_requests",
    "prune",
    "reconcile",
    "refresh_insights",
    "watch_drift",
)
DAG_FILES = (*CHAIN, *OTHERS)
RUNBOOK = ("## What it does", "## When it runs", "## Rerun and backfill", "## Troubleshooting")
COMMANDS = {Command.__name__, Latest.__name__, Wake.__name__}
ALLOWED = {
    "airflow",
    "dags.alerts",
    "dags.assets",
    "dags.command",
    "dags.defaults",
    "dags.wakeups",
    "training.names",
}


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(DAGS_FOLDER)


@pytest.fixture(scope="module", params=DAG_FILES)
def dag(request: pytest.FixtureRequest, bag: DagBag) -> DAG:
    return bag.dags[request.param]


def test_all_dags_can_be_parsed(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert sorted(bag.dags) == sorted(DAG_FILES)


def test_platform_uses_the_same_dags_and_pools(bag: DagBag) -> None:
    assert chain.CHAIN == CHAIN
    slots = {name: slots for name, (slots, _) in POOLS.items()}
    assert slots == chain.pools(Settings(_env_file=None, trainings_at_once=1))


def test_dag_can_be_serialized(dag: DAG) -> None:
    assert DagSerialization.to_dict(dag)["dag"]["dag_id"] == dag.dag_id


def test_conventions(dag: DAG) -> None:
    assert set(TAGS) < set(dag.tags)
    assert dag.max_active_runs == 1
    assert dag.dagrun_timeout is not None
    assert not dag.catchup
    assert len(set(TIERS) & set(dag.tags)) == 1, "tag it with its impact, see dags/alerts.py"
    for task in dag.tasks:
        assert task.owner == "platform", task.task_id
        assert task.retries >= 1, task.task_id
        assert task.execution_timeout is not None, task.task_id
        assert [type(each) for each in task.on_failure_callback] == [TaskFailed], task.task_id
        assert task.pool in {*POOLS, "default_pool"}, task.task_id


def test_work_that_grows_with_the_shop_has_hours(bag: DagBag) -> None:
    for dag in (bag.dags[name] for name in CHAIN):
        assert dag.dagrun_timeout >= timedelta(hours=12), dag.dag_id
        for task in dag.tasks:
            assert task.execution_timeout >= timedelta(hours=6), task.task_id


def test_every_retry_rule_has_a_reason(dag: DAG) -> None:
    for task in dag.tasks:
        assert task.retry_policy is not None, task.task_id
        assert all(rule.reason for rule in task.retry_policy.rules), task.task_id


def test_docstring_is_a_runbook(dag: DAG) -> None:
    for section in RUNBOOK:
        assert section in (dag.doc_md or ""), section


def test_erasures_are_finished_before_new_ones_begin(bag: DagBag) -> None:
    erase = bag.dags["process_subject_requests"].get_task("erase")
    assert erase.upstream_task_ids == {"finish"} and erase.trigger_rule == "all_done"


def outlets(dag: DAG) -> list[Asset]:
    return [outlet for task in dag.tasks for outlet in task.outlets]


def test_assets_connect_the_chain(bag: DagBag) -> None:
    for before, after in itertools.pairwise(CHAIN):
        assert bag.dags[after].timetable.asset_condition in outlets(bag.dags[before]), after
    assert [asset.name for asset in outlets(bag.dags["publish_vectors"])] == ["release"]


def test_demo_knows_the_task_that_triggers_the_next_dag(bag: DagBag) -> None:
    for dag_id, task_id in chain.EMITTERS.items():
        following = bag.dags[CHAIN[CHAIN.index(dag_id) + 1]]
        assert following.timetable.asset_condition in bag.dags[dag_id].get_task(task_id).outlets


def test_every_dag_that_an_asset_triggers_resolves_its_input_first(bag: DagBag) -> None:
    woken = {
        dag.dag_id: dag
        for dag in bag.dags.values()
        if isinstance(dag.timetable.asset_condition, Asset)
    }
    assert set(woken) == set(STAGES)
    for dag in woken.values():
        (first,) = dag.roots
        assert isinstance(first, Latest), dag.dag_id
        assert first.subcommand[3] == dag.dag_id


def test_reconciler_wakes_the_chain_by_the_assets_that_trigger_it(bag: DagBag) -> None:
    tasks = [task for task in bag.dags["reconcile"].tasks if isinstance(task, Wake)]
    assert tuple(task.wakes for task in tasks) == CHAIN[1:]
    for task in tasks:
        assert [bag.dags[task.wakes].timetable.asset_condition] == task.outlets


def test_asset_event_follows_the_last_check(bag: DagBag) -> None:
    assert bag.dags["build_snapshot"].get_task("check").outlets
    assert not bag.dags["build_snapshot"].get_task("build").outlets
    assert bag.dags["train_families"].get_task("select_models").outlets


def test_every_family_is_trained_in_the_gpu_pool(bag: DagBag) -> None:
    dag = bag.dags["train_families"]
    for mapped, plan in chain.PLANS.items():
        (planned,) = dag.get_task(mapped).expand_input.value.values()
        assert planned.operator.task_id == plan
        assert dag.get_task(plan).output_field == "subcommands"
        assert "task.subcommand[2]" in dag.get_task(mapped).partial_kwargs["map_index_template"]
    plans = [dag.get_task(plan).subcommand[:3] for plan in chain.PLANS.values()]
    assert plans == [["plan-training", "--group", group] for group in GROUPS]
    trained = [family for group in GROUPS.values() for family in group]
    assert sorted([*trained, *COMBINATIONS]) == sorted(MAIN_JOB)
    combinations = [f"combine_{family}" for family in COMBINATIONS]
    for task in (dag.get_task(name) for name in (*chain.PLANS, *combinations)):
        assert (task.pool, task.queue) == ("gpu", "gpu")


def test_combinations_of_runs_wait_for_them_even_if_some_failed(bag: DagBag) -> None:
    dag = bag.dags["train_families"]
    for family in COMBINATIONS:
        combine = dag.get_task(f"combine_{family}")
        assert combine.subcommand[:3] == ["train", "--family", family]
        assert combine.upstream_task_ids == {"train" if family in OF_RUNS else "train_first"}
        assert combine.trigger_rule == "all_done"


def test_no_combination_delays_the_runs_that_another_waits_for(bag: DagBag) -> None:
    dag = bag.dags["train_families"]
    following = {task.task_id: task.get_flat_relative_ids(upstream=False) for task in dag.tasks}
    for family in COMBINATIONS:  # Airflow's priority is the number of tasks that follow
        assert len(following[f"combine_{family}"]) < len(following["train"])
    assert len(following["train_others"]) < len(following["train"])


def test_failed_or_skipped_family_does_not_stop_the_selection(bag: DagBag) -> None:
    select_models = bag.dags["train_families"].get_task("select_models")
    assert select_models.trigger_rule == "all_done"
    combinations = {f"combine_{family}" for family in COMBINATIONS}
    assert select_models.upstream_task_ids == {"publish_first", "train_others", *combinations}


def test_first_release_waits_for_the_fastest_families_only(bag: DagBag) -> None:
    publish_first = bag.dags["train_families"].get_task(chain.FIRST_RELEASE)
    assert publish_first.trigger_rule == "all_done"
    assert publish_first.upstream_task_ids == {"train_first"}


def test_mlflow_tracking_includes_failed_families_and_blocks_nothing(bag: DagBag) -> None:
    track = bag.dags["train_families"].get_task("track")
    assert (track.trigger_rule, track.downstream_task_ids) == ("all_done", set())


def test_only_build_uses_the_duckdb_pool(bag: DagBag) -> None:
    holders = [
        task.task_id for dag in bag.dags.values() for task in dag.tasks if task.pool == "duckdb"
    ]
    assert holders == ["build"]


@pytest.mark.parametrize("minutes_after", [0.5, 2.5, 61.5])
@pytest.mark.parametrize(
    "dag_id",
    ["ingest_landing", "ingest_feedback", "apply_retention", "process_subject_requests", "prune"],
)
def test_new_platform_does_not_run_past_times(
    bag: DagBag, monkeypatch: pytest.MonkeyPatch, dag_id: str, minutes_after: float
) -> None:
    now = datetime(2026, 1, 1, 23, 50, tzinfo=UTC) + timedelta(minutes=minutes_after)
    monkeypatch.setattr(trigger, "utcnow", lambda: now)
    timetable = decode_timetable(encode_timetable(bag.dags[dag_id].timetable))
    first = timetable.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(None, None, catchup=False)
    )
    assert first is not None and first.run_after > now


def test_feedback_lands_every_five_minutes_and_triggers_nothing(bag: DagBag) -> None:
    feedback = bag.dags["ingest_feedback"]
    assert feedback.timetable.expression == "*/5 * * * *"
    assert outlets(feedback) == []


def test_every_task_is_a_subcommand(dag: DAG) -> None:
    for task in dag.tasks:
        assert task.task_type in COMMANDS, task.task_id


@pytest.mark.parametrize("name", [*DAG_FILES, "assets", "defaults"])
def test_dag_file_imports_only_names_and_defaults(name: str) -> None:
    imported = set()
    for node in ast.walk(ast.parse((DAGS_FOLDER / f"{name}.py").read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.module
            imported.add(node.module)
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
    own = {module for module in imported if module.split(".")[0] not in sys.stdlib_module_names}
    assert all(
        any(module == allowed or module.startswith(f"{allowed}.") for allowed in ALLOWED)
        for module in own
    ), sorted(own)
