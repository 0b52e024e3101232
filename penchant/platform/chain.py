"""The main job as Airflow runs it: a chain of DAGs, each started by the Asset of the one before."""

from dataclasses import dataclass, field
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
"""The DAGs in the order in which they run; a test compares them with the files in ``dags/``."""

MAPPED = "train"
"""The task that Airflow maps over the families."""

NEXT_RUN_SECONDS = 60.0


@dataclass
class Stage:
    """A DAG's part in the chain: nothing but its name until its run exists."""

    dag_id: str
    run: Run | None = None
    tasks: list[Task] = field(default_factory=list)


def pools(settings: Settings) -> dict[str, int]:
    """Slots of each pool that the DAGs name; a test compares them with ``dags/defaults.py``."""
    return {"duckdb": 1, "gpu": settings.trainings_at_once}


@dataclass(frozen=True)
class Families:
    """How far training is. ``seconds_left``: at the pace so far; None before the first is done."""

    done: int
    of: int
    seconds: float
    seconds_left: float | None

    @classmethod
    def of_tasks(cls, tasks: list[Task], now: datetime) -> "Families | None":
        """None where no family is known yet."""
        trained = [task for task in tasks if task.task_id == MAPPED and task.map_index >= 0]
        begun = [task.start for task in trained if task.start]
        if not begun:
            return None
        done = [task for task in trained if task.state in ("success", "failed", "skipped")]
        left = len(trained) - len(done)
        last = max((task.end for task in done if task.end), default=now) if not left else now
        seconds = (last - min(begun)).total_seconds()
        # what runs now is on average half done
        paced = len(done) + 0.5 * sum(task.state == "running" for task in trained)
        seconds_left = seconds / paced * (len(trained) - paced) if done else None
        return cls(len(done), len(trained), seconds, seconds_left)

    def __str__(self) -> str:
        said = f"{self.done} of {self.of} families"
        if self.seconds_left is None or self.done == self.of:
            return said
        return f"{said}, about {self.seconds_left:.0f} s left"


class Chain:
    """One passage through the DAGs, followed by asking Airflow again and again."""

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow
        self.stages = [Stage(dag_id) for dag_id in CHAIN]
        self.started = datetime.now(UTC)
        self.stages[0].run = airflow.trigger(CHAIN[0])
        self._previous_ended = self.started

    @property
    def tasks(self) -> list[Task]:
        return [task for stage in self.stages for task in stage.tasks]

    @property
    def failed(self) -> list[Task]:
        """Tasks that failed for good, whether or not their run did."""
        return [task for task in self.tasks if task.state == "failed"]

    @property
    def broken(self) -> bool:
        """Whether a run failed, so that the chain goes no further."""
        return any(stage.run and stage.run.state == "failed" for stage in self.stages)

    @property
    def done(self) -> bool:
        last = self.stages[-1].run
        return last is not None and last.state == "success"

    def poll(self) -> None:
        """Ask what has changed; raise PenchantError if a next run was due and does not come."""
        for number, stage in enumerate(self.stages):
            if stage.run is None:
                stage.run = self._caused_by(self.stages[number - 1])
            if stage.run is None:
                return
            if not (stage.run.ended and stage.tasks):
                # the run's state first: tasks read after it ended are final
                run = self._airflow.run(stage.run)
                stage.tasks = sorted(self._airflow.tasks(run), key=in_order)
                stage.run = run
                if run.ended:
                    self._previous_ended = datetime.now(UTC)
            if stage.run.state != "success":
                return

    def _caused_by(self, before: Stage) -> Run | None:
        assert before.run is not None
        dag_id = CHAIN[CHAIN.index(before.dag_id) + 1]
        run = self._airflow.first_run_since(dag_id, before.run.due)
        waited = (datetime.now(UTC) - self._previous_ended).total_seconds()
        if run is None and waited > NEXT_RUN_SECONDS:
            raise PenchantError(
                f"{before.dag_id} ended {waited:.0f} s ago, and nothing has started {dag_id} since",
                "look in the Airflow UI whether that DAG is paused, or run again",
            )
        return run


def in_order(task: Task) -> tuple[datetime, int]:
    """As they started; those that haven't come last."""
    return (task.start or datetime.max.replace(tzinfo=UTC), task.map_index)


def busy_seconds(tasks: list[Task], start: datetime, end: datetime) -> float:
    """How long at least one task ran between ``start`` and ``end``."""
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
    """The share of the time from ``start`` to ``end`` in which no task ran."""
    return 1.0 - busy_seconds(tasks, start, end) / (end - start).total_seconds()
