"""Experiments on disk: one directory each, and the pointer to the one that runs."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from penchant.bandits.assignment import PLAN, Experiment, check_shares, running
from penchant.bandits.experiments.evaluate import Verdict
from penchant.errors import UsageError
from penchant.settings import Settings
from penchant.storage import held_alone, write_json

VERDICT = "verdict.json"


def start(
    settings: Settings, control: str, treatment: str, share: float, began_at: datetime
) -> Experiment:
    """Begin an experiment in which a ``share`` of users gets the treatment.

    Beginning the same one again is a no-op. Raises UsageError while another one runs.
    """
    shares = {control: 1 - share, treatment: share}
    check_shares(shares)
    experiment = Experiment(_id(control, treatment), shares, began_at)
    with held_alone(settings.experiments):
        already = running(settings)
        if already is not None and already.id != experiment.id:
            raise UsageError(
                f"experiment {already.id} still runs",
                "`penchant evaluate-experiment` ends it when it is decided",
            )
        if already is None:
            plan = asdict(experiment) | {"began_at": began_at.isoformat()}
            write_json(experiment.folder(settings) / PLAN, {**plan, "arms": list(shares)})
            settings.live_experiment.flip(experiment.id)
    return already or experiment


def judged(settings: Settings, experiment: Experiment, verdict: Verdict, snapshot_id: str) -> None:
    """Keep a verdict, which takes the place of the one before."""
    write_json(
        experiment.folder(settings) / VERDICT,
        {**verdict.as_dict(), "experiment_id": experiment.id, "snapshot_id": snapshot_id},
    )


def verdict_of(settings: Settings, control: str, treatment: str) -> str | None:
    """How the experiment between two policies stands or ended; None where there was none."""
    path = settings.experiments / _id(control, treatment) / VERDICT
    return json.loads(path.read_text())["decision"] if path.is_file() else None


def end(settings: Settings) -> None:
    """No experiment runs any more; the plan and its verdict stay on disk."""
    settings.live_experiment.path.unlink(missing_ok=True)


def verdicts(settings: Settings) -> list[dict[str, Any]]:
    """The last verdict of each experiment, for the report."""
    return [
        json.loads(path.read_text()) for path in sorted(settings.experiments.glob(f"*/{VERDICT}"))
    ]


def _id(control: str, treatment: str) -> str:
    return f"x-{control}-{treatment}"
