"""How far the main job is: its stage, and about how long the rest takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from penchant.platform.chain import Families, Stage

SHARES = {
    "ingest_landing": 0.01,
    "build_snapshot": 0.12,
    "materialize_features": 0.03,
    "train_families": 0.76,
    "publish_vectors": 0.08,
}
"""Share of each DAG in the time of a first demo."""
LEAST_SHARE = 0.1
"""Of the work; the time left is not estimated from less."""
ENDED = ("success", "failed", "skipped", "upstream_failed")


@dataclass(frozen=True)
class Progress:
    """``number``: of the running stage. ``seconds_left``: None before it can be estimated."""

    number: int
    of: int
    dag_id: str
    seconds_left: float | None

    @classmethod
    def of_stages(cls, stages: Sequence[Stage], started: datetime, now: datetime) -> "Progress":
        running = [stage for stage in stages if not (stage.run and stage.run.ended)]
        current = running[0] if running else stages[-1]
        done = sum(SHARES[stage.dag_id] * share_done(stage, now) for stage in stages)
        seconds = (now - started).total_seconds()
        left = seconds * (1 - done) / done if done >= LEAST_SHARE else None
        return cls(list(stages).index(current) + 1, len(stages), current.dag_id, left)

    def __str__(self) -> str:
        stage = f"stage {self.number} of {self.of}, {self.dag_id}"
        if self.seconds_left is None:
            return stage
        return f"{stage}; about {max(1, round(self.seconds_left / 60))} min left"


def share_done(stage: Stage, now: datetime) -> float:
    """Share of a stage that is done: of its families or, in other DAGs, of its tasks."""
    if stage.run and stage.run.ended:
        return 1.0
    if families := Families.of_stage(stage, now):
        return families.done / families.of
    if not stage.tasks or any(stage.mapped):
        return 0.0
    return sum(task.state in ENDED for task in stage.tasks) / len(stage.tasks)
