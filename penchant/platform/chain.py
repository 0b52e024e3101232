"""The main job in Airflow: a chain of DAGs, each triggered by the Asset of the previous DAG."""

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from penchant.errors import PenchantError
from penchant.platform.rest import Airflow, Run, Task
from penchant.settings import Settings

CHAIN = (
    "ingest_landing",
    "build_snapshot",
    "materialize_features",
    "train_families",
    "publish_vectors",
)
"""The DAGs in execution order; a test compares them with the files in ``dags/``."""

PLANS = {"train_first": "plan_first", "train": "plan", "train_others": "plan_others"}
"""The tasks that are mapped over families, and the tasks that list the families."""
FIRST_RELEASE = "publish_first"
EMITTERS = {
    "ingest_landing": "ingest",
    "build_snapshot": "check",
    "materialize_features": "training_sets",
    "train_families": "select_models",
}
"""The task of each DAG whose asset event triggers the next DAG."""

NEXT_RUN_SECONDS = 300.0
"""A slow machine needs a minute from an asset event to the run that it triggers."""


@dataclass
class Stage:
    """A DAG of the chain; ``run`` is None until its run exists."""

    dag_id: str
    run: Run | None = None
    tasks: list[Task] = field(default_factory=list)
    mapped: dict[str, list[str]] = field(default_factory=dict)
    """The families of a mapped task, in the order of its map indexes."""
    older: frozenset[str] = frozenset()
    """Runs of the DAG from before the chain: compared by id, since the clock may be set."""

    def named(self, task: Task) -> Task:
        """The task with its family in its label. Airflow has it only once the task runs."""
        if task.map_index < 0 or task.task_id not in self.mapped:
            return task
        family = self.mapped[task.task_id][task.map_index]
        return replace(task, label=f"{task.task_id}[{family}]")


def pools(settings: Settings) -> dict[str, int]:
    """Slots of each pool; a test compares them with ``dags/defaults.py``."""
    return {"duckdb": 1, "gpu": settings.trainings_at_once}


@dataclass(frozen=True)
class Families:
    """Progress of training. ``seconds_left``: extrapolated; None until one family is done."""

    done: int
    of: int
    seconds: float
    seconds_left: float | None

    @classmethod
    def of_stage(cls, stage: Stage, now: datetime) -> "Families | None":
        """Progress of the mapped tasks; None before the first starts."""
        trained = [task for task in stage.tasks if is_family(task)]
        of = max(len(trained), sum(len(families) for families in stage.mapped.values()))
        begun = [task.start for task in trained if task.start]
        if not begun:
            return None
        done = [task for task in trained if task.state in ("success", "failed", "skipped")]
        left = of - len(done)
        last = max((task.end for task in done if task.end), default=now) if not left else now
        seconds = (last - min(begun)).total_seconds()
        # a running family is on average half done
        paced = len(done) + 0.5 * sum(task.state == "running" for task in trained)
        seconds_left = seconds / paced * (of - paced) if done else None
        return cls(len(done), of, seconds, seconds_left)

    @property
    def counted(self) -> str:
        return f"{self.done} of {self.of} families"

    def __str__(self) -> str:
        if self.seconds_left is None or self.done == self.of:
            return self.counted
        return f"{self.counted}, about {self.seconds_left:.0f} s left"


class Chain:
    """One execution of the chain, tracked by polling Airflow."""

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow
        self.stages = [
            Stage(dag_id, older=frozenset(run.run_id for run in airflow.newest_runs(dag_id)))
            for dag_id in CHAIN
        ]
        self.started = datetime.now(UTC)
        self.stages[0].run = airflow.trigger(CHAIN[0], f"demo__{self.started.isoformat()}")
        self._previous_ended = time.monotonic()

    @property
    def runs(self) -> list[Run]:
        return [stage.run for stage in self.stages if stage.run is not None]

    @property
    def staged_tasks(self) -> list[tuple[Stage, Task]]:
        return [(stage, task) for stage in self.stages for task in stage.tasks]

    @property
    def tasks(self) -> list[Task]:
        return [task for _, task in self.staged_tasks]

    @property
    def failed(self) -> list[Task]:
        """Tasks whose last try failed, whether or not their run failed."""
        return [task for task in self.tasks if task.state == "failed"]

    @property
    def skipped_families(self) -> list[Task]:
        return [task for task in self.tasks if is_family(task) and task.state == "skipped"]

    @property
    def has_first_release(self) -> bool:
        return any(task.task_id == FIRST_RELEASE and task.state == "success" for task in self.tasks)

    @property
    def broken(self) -> bool:
        """Whether a run failed, which ends the chain."""
        return any(stage.run and stage.run.state == "failed" for stage in self.stages)

    @property
    def done(self) -> bool:
        last = self.stages[-1].run
        return last is not None and last.state == "success"

    def poll(self) -> None:
        """Update the runs and tasks. Raises PenchantError if a triggered run does not appear."""
        for number, stage in enumerate(self.stages):
            if stage.run is None:
                stage.run = self._triggered_by(self.stages[number - 1], stage)
            if stage.run is None:
                return
            if not (stage.run.ended and stage.tasks):
                # read the run first: tasks read after it ended are final
                run = self._airflow.run(stage.run)
                tasks = self._airflow.tasks(run)
                self._read_plans(stage, run, tasks)
                stage.tasks = sorted(map(stage.named, tasks), key=in_order)
                stage.run = run
                if run.ended:
                    self._previous_ended = time.monotonic()
            if stage.run.state != "success":
                return

    def _read_plans(self, stage: Stage, run: Run, tasks: list[Task]) -> None:
        planned = {task.task_id for task in tasks if task.state == "success"}
        for mapped, plan in PLANS.items():
            if plan in planned and mapped not in stage.mapped:
                # the option before the family is `--family`
                subcommands = self._airflow.returned(run, plan)
                stage.mapped[mapped] = [subcommand[2] for subcommand in subcommands]

    def _triggered_by(self, before: Stage, stage: Stage) -> Run | None:
        """The stage's first run since the chain started."""
        if any(is_skipped_emitter(task) for task in before.tasks):
            # it had nothing new, but a later stage may not have finished
            return self._airflow.trigger(stage.dag_id, f"demo__{self.started.isoformat()}")
        runs = self._airflow.newest_runs(stage.dag_id)
        new = [run for run in runs if run.run_id not in stage.older]
        waited = time.monotonic() - self._previous_ended  # the clock may be set meanwhile
        if not new and waited > NEXT_RUN_SECONDS:
            raise PenchantError(
                f"{stage.dag_id} has not started, {waited:.0f} s after {before.dag_id} succeeded",
                "check in the Airflow UI whether that DAG is paused, or run again",
            )
        return new[-1] if new else None


def is_skipped_emitter(task: Task) -> bool:
    return EMITTERS.get(task.dag_id) == task.task_id and task.state == "skipped"


def is_family(task: Task) -> bool:
    return task.task_id in PLANS and task.map_index >= 0


def in_order(task: Task) -> tuple[datetime, int]:
    """Sort key: start time; tasks that have not started come last."""
    return (task.start or datetime.max.replace(tzinfo=UTC), task.map_index)


def busy_seconds(tasks: list[Task], start: datetime, end: datetime) -> float:
    """Seconds between ``start`` and ``end`` in which at least one task ran."""
    busy = 0.0
    reached = start
    spans = sorted((task.start, task.end or end) for task in tasks if task.start)
    for began, ended in spans:
        began, ended = max(began, reached), min(ended, end)
        if ended > began:
            busy += (ended - began).total_seconds()
            reached = ended
    return busy


def idle_share(tasks: list[Task], start: datetime, end: datetime) -> float:
    """Share of the time between ``start`` and ``end`` in which no task ran."""
    return 1.0 - busy_seconds(tasks, start, end) / (end - start).total_seconds()
