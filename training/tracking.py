"""MLflow keeps the history of runs for people to look at; nothing decides by reading it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import time
from typing import Any

from penchant.settings import Settings

EXPERIMENT = "families"

Curve = Callable[[str, int, float], None]
"""Takes a figure to plot: its name, the step, the value."""


def no_curve(name: str, step: int, value: float) -> None:
    """For fitting without tracking."""


@dataclass(frozen=True)
class TrackedRun:
    """One MLflow run."""

    client: Any
    id: str

    def curve(self, name: str, step: int, value: float) -> None:
        self.client.log_metric(self.id, mlflow_name(name), value, step=step)

    def record(self, parameters: dict[str, Any], figures: dict[str, float]) -> None:
        """The run's config and its final figures, in one write."""
        from mlflow.entities import Metric, Param

        now = int(time() * 1000)
        self.client.log_batch(
            self.id,
            metrics=[Metric(mlflow_name(name), value, now, 0) for name, value in figures.items()],
            params=[Param(name, str(value)) for name, value in parameters.items()],
        )


@contextmanager
def tracked(settings: Settings, run_id: str, tags: dict[str, str]) -> Iterator[TrackedRun]:
    """Open the MLflow run of ``run_id``; a run that was killed and is made again goes on in its
    own.

    Ends it FINISHED, or FAILED when the body raises.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when mlflow is imported
    from mlflow.tracking import MlflowClient

    (settings.home / "mlflow").mkdir(parents=True, exist_ok=True)
    client = MlflowClient(settings.mlflow_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    experiment_id = (
        experiment.experiment_id
        if experiment
        else client.create_experiment(EXPERIMENT, _artifacts(settings))
    )
    begun = client.search_runs([experiment_id], f"tags.run_id = '{run_id}'")
    run = begun[0] if begun else client.create_run(experiment_id, run_name=run_id)
    for name, value in {"run_id": run_id, **tags}.items():
        client.set_tag(run.info.run_id, name, value)
    client.update_run(run.info.run_id, status="RUNNING")
    try:
        yield TrackedRun(client, run.info.run_id)
    except BaseException:
        client.set_terminated(run.info.run_id, "FAILED")
        raise
    client.set_terminated(run.info.run_id, "FINISHED")


def _artifacts(settings: Settings) -> str | None:
    """Where artifacts go: into the home, or where a tracking server keeps them."""
    folder = settings.home / "mlflow" / "artifacts"
    return None if settings.tracking else folder.resolve().as_uri()


def mlflow_name(name: str) -> str:
    """MLflow takes no @ in the name of a metric."""
    return name.replace("@", "_at_")
