"""Experiments on disk: one directory each, and the pointer to the one that runs."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from penchant.assignment import check_shares
from penchant.errors import UsageError
from penchant.experiments.evaluate import Verdict
from penchant.settings import Settings
from penchant.storage import held_alone, write_json

PLAN, VERDICT = "experiment.json", "verdict.json"


@dataclass(frozen=True)
class Experiment:
    """``shares``: policy id -> share of shoppers, the control first. ``began_at``: naive UTC."""

    id: str
    shares: dict[str, float]
    began_at: datetime

    @property
    def control(self) -> str:
        return next(iter(self.shares))

    @property
    def treatment(self) -> str:
        return list(self.shares)[1]

    def folder(self, settings: Settings) -> Path:
        return settings.experiments / self.id


def start(
    settings: Settings, control: str, treatment: str, share: float, began_at: datetime
) -> Experiment:
    """Begin an experiment in which a ``share`` of shoppers gets the treatment.

    Beginning the same one again is a no-op. Raises UsageError while another one runs.
    """
    shares = {control: 1 - share, treatment: share}
    check_shares(shares)
    experiment = Experiment(f"x-{control}-{treatment}", shares, began_at)
    with held_alone(settings.experiments):
        running = current(settings)
        if running is not None and running.id != experiment.id:
            raise UsageError(
                f"experiment {running.id} still runs",
                "`penchant evaluate-experiment` ends it when it is decided",
            )
        if running is None:
            plan = asdict(experiment) | {"began_at": began_at.isoformat()}
            write_json(experiment.folder(settings) / PLAN, {**plan, "arms": list(shares)})
            settings.live_experiment.flip(experiment.id)
    return running or experiment


def current(settings: Settings) -> Experiment | None:
    """The experiment that runs."""
    experiment_id = settings.live_experiment.current()
    if experiment_id is None:
        return None
    plan = json.loads((settings.experiments / experiment_id / PLAN).read_text())
    shares = {arm: plan["shares"][arm] for arm in plan["arms"]}  # JSON's keys were sorted
    return Experiment(plan["id"], shares, datetime.fromisoformat(plan["began_at"]))


def judged(settings: Settings, experiment: Experiment, verdict: Verdict, snapshot_id: str) -> None:
    """Keep a verdict, which takes the place of the one before."""
    write_json(
        experiment.folder(settings) / VERDICT,
        {**verdict.as_dict(), "experiment_id": experiment.id, "snapshot_id": snapshot_id},
    )


def end(settings: Settings) -> None:
    """No experiment runs any more; the plan and its verdict stay on disk."""
    settings.live_experiment.path.unlink(missing_ok=True)


def verdicts(settings: Settings) -> list[dict[str, Any]]:
    """The last verdict of each experiment, for the report."""
    return [
        json.loads(path.read_text()) for path in sorted(settings.experiments.glob(f"*/{VERDICT}"))
    ]
