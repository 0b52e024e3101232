"""Experiments on disk: a directory each, and the pointer to the one that runs."""

from datetime import datetime

from penchant.artifacts import Arm, Experiment, ExperimentResult
from penchant.bandits.assignment import (
    PLAN,
    PolicyAssignment,
    check_shares,
    folder_of,
    running_experiment,
)
from penchant.errors import UsageError
from penchant.settings import Settings
from penchant.storage import held_alone

RESULT = "result.json"


def start(
    settings: Settings, control: PolicyAssignment, treatment: str, share: float, began_at: datetime
) -> Experiment:
    """Begin an experiment in which a ``share`` of users gets the treatment, a learned policy.

    Beginning the same experiment again does nothing. Raises UsageError while another one runs.
    """
    experiment = Experiment(
        id=_id(control.policy_id, treatment),
        control=Arm(policy_id=control.policy_id, share=1 - share, exploration=control.exploration),
        treatment=Arm(policy_id=treatment, share=share),
        began_at=began_at,
    )
    check_shares(experiment.shares)
    with held_alone(settings.experiments):
        already = running_experiment(settings)
        if already is not None and already.id != experiment.id:
            raise UsageError(
                f"experiment {already.id} still runs",
                "`penchant evaluate-experiment` ends it when it is decided",
            )
        if already is None:
            experiment.write(folder_of(settings, experiment.id) / PLAN)
            settings.live_experiment.flip(experiment.id)
    return already or experiment


def write_result(settings: Settings, result: ExperimentResult) -> None:
    """Replace the last result of an experiment."""
    result.write(folder_of(settings, result.experiment_id) / RESULT)


def result_of(settings: Settings, control: str, treatment: str) -> ExperimentResult | None:
    """The last result of the experiment between two policies; None without one."""
    try:
        return ExperimentResult.read(folder_of(settings, _id(control, treatment)) / RESULT)
    except FileNotFoundError:
        return None


def end(settings: Settings) -> None:
    """End the running experiment; its plan and result stay on disk."""
    settings.live_experiment.path.unlink(missing_ok=True)


def results(settings: Settings) -> list[ExperimentResult]:
    """The last result of each experiment, for the report."""
    return [
        ExperimentResult.read(path) for path in sorted(settings.experiments.glob(f"*/{RESULT}"))
    ]


def _id(control: str, treatment: str) -> str:
    return f"x-{control}-{treatment}"
