"""MLflow shows the runs to people; nothing decides by reading it, and no training waits for it.

What it shows lies in the runs' own directories. ``track`` copies what MLflow lacks, all runs of a
snapshot in one process: importing MLflow and opening its database took four seconds of CPU, as much
as a cheap family's fit and evaluation.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penchant.artifacts import RunFailure, RunRecord, Snapshot
from penchant.artifacts.run import FAILED
from penchant.settings import Settings
from penchant.storage import held_alone

EXPERIMENT = "families"
NOT_IN_NAMES = re.compile(r"[^\w\-. :/]", re.ASCII)
A_BATCH = 1000  # metrics that MLflow takes at a time
FILES = ("run.json", "model.safetensors")


@dataclass(frozen=True)
class TrackReport:
    """``recorded``: the runs that MLflow did not have; ``runs``: how many it has now."""

    snapshot_id: str
    recorded: tuple[str, ...]
    runs: int

    def summary(self) -> str:
        return f"MLflow holds {self.runs} runs of {self.snapshot_id}, {len(self.recorded)} new"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Ended:
    """A run as it is to be shown. ``curve``: rows of name, step, value, seconds; ``end_ms``: when
    it ended, since 1970."""

    run_id: str
    status: str
    parameters: dict[str, Any]
    tags: dict[str, str]
    figures: dict[str, float]
    curve: list[tuple[str, int, float, float]]
    files: tuple[Path, ...]
    seconds: float
    end_ms: int

    @property
    def start_ms(self) -> int:
        return self.end_ms - int(1000 * self.seconds)


def track(settings: Settings, snapshot_id: str) -> TrackReport:
    """Bring MLflow up to date with a snapshot's runs, failed ones among them; idempotent.

    A run that MLflow has as it is here is left alone; one that failed and was made again goes on in
    its own.
    """
    runs = settings.runs / Snapshot.open(settings, snapshot_id).id
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when mlflow is imported
    from mlflow.tracking import MlflowClient

    with held_alone(settings.home / "mlflow"):
        client = MlflowClient(settings.mlflow_uri)
        experiment_id = _experiment(client, settings)
        ended = [*_successes(runs), *_failures(runs)]
        recorded = tuple(run.run_id for run in ended if _record(client, experiment_id, run))
    return TrackReport(snapshot_id, recorded, len(ended))


def _successes(runs: Path) -> Iterator[Ended]:
    for path in sorted(runs.glob("*/run.json")):
        record = RunRecord.read(path)
        figures = {
            f"{population}_{name}": interval["mean"]
            for population, intervals in record.metrics.items()
            for name, interval in intervals.items()
        } | {
            f"{task}_{name}": interval["mean"]
            for task, task_record in record.tasks.items()
            for name, interval in task_record.get("metrics", {}).items()
        }
        if record.privacy:
            figures |= {
                "dp_epsilon": record.privacy.epsilon,
                "dp_total_epsilon": record.privacy.total_epsilon,
                "dp_delta": record.privacy.delta,
            }
        costs = ("seconds", "fit_seconds", "scoring_ms_per_user", "peak_memory_bytes", "parameters")
        yield Ended(
            record.run_id,
            "FINISHED",
            record.config | {"seed": record.seed, **record.tuned},
            _tags(record),
            figures | {name: float(getattr(record, name)) for name in costs},
            list(record.curve),
            tuple(path.with_name(name) for name in FILES),
            record.seconds,
            int(1000 * path.stat().st_mtime),
        )


def _failures(runs: Path) -> Iterator[Ended]:
    for path in sorted((runs / FAILED).glob("*.json")):
        failure = RunFailure.read(path)
        yield Ended(
            failure.run_id,
            # without seconds it is still running or was killed: MLflow has one status for both
            "RUNNING" if failure.seconds is None else "FAILED",
            failure.config | {"seed": failure.seed},
            _tags(failure) | {"cause": failure.cause},
            {},
            [],
            (path,),
            failure.seconds or 0.0,
            int(1000 * path.stat().st_mtime),
        )


def _tags(record: RunRecord | RunFailure) -> dict[str, str]:
    names = ("run_id", "snapshot_id", "family", "code_version")
    return {name: getattr(record, name) for name in names}


def _record(client: Any, experiment_id: str, run: Ended) -> bool:
    """Write a run unless MLflow has it; its end comes last, so that half a record is made again."""
    from mlflow.entities import Metric, Param, RunTag

    found = client.search_runs([experiment_id], f"tags.run_id = '{run.run_id}'")
    if found and found[0].info.status == run.status:
        return False
    begun = found or [
        client.create_run(experiment_id, run_name=run.run_id, start_time=run.start_ms)
    ]
    mlflow_id = begun[0].info.run_id
    last = max((step for _, step, *_ in run.curve), default=0)
    metrics = [
        Metric(mlflow_name(name), value, run.start_ms + int(1000 * seconds), step)
        for name, step, value, seconds in run.curve
    ] + [Metric(mlflow_name(name), value, run.end_ms, last) for name, value in run.figures.items()]
    for first in range(0, len(metrics), A_BATCH):
        client.log_batch(mlflow_id, metrics=metrics[first : first + A_BATCH])
    client.log_batch(
        mlflow_id,
        params=[Param(mlflow_name(name), str(value)) for name, value in run.parameters.items()],
        tags=[RunTag(name, value) for name, value in run.tags.items()],
    )
    for file in run.files:
        client.log_artifact(mlflow_id, str(file))
    if run.status != "RUNNING":
        client.set_terminated(mlflow_id, run.status, run.end_ms)
    return True


def _experiment(client: Any, settings: Settings) -> str:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment:
        return str(experiment.experiment_id)
    return str(client.create_experiment(EXPERIMENT, _artifacts(settings)))


def _artifacts(settings: Settings) -> str | None:
    """Where artifacts go: into the home, or where a tracking server keeps them."""
    folder = settings.home / "mlflow" / "artifacts"
    return None if settings.tracking else folder.resolve().as_uri()


def mlflow_name(name: str) -> str:
    """A metric's or a parameter's name as MLflow takes it."""
    return NOT_IN_NAMES.sub("_", name.replace("@", "_at_"))
