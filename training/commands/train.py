"""The `train` stage: fit one family on one snapshot, evaluate it, and write a run directory."""

from dataclasses import asdict, astuple, dataclass
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import structlog
import torch
from safetensors.torch import save_file
from structlog.contextvars import bind_contextvars
from threadpoolctl import threadpool_limits

from penchant.artifacts import RankingModelRecord, RunFailure, RunRecord, Snapshot
from penchant.encryption.encrypted_file import protect_files
from penchant.encryption.home_files import PLACES
from penchant.settings import Settings
from penchant.storage import STAGING_PREFIX, atomic_directory
from training.commands.equal_runs import adopt_equal_run
from training.commands.privacy_budget import spend
from training.commands.run_identity import code_version, run_id_of
from training.commands.starting import decide_start, has_drifted, start_of
from training.commands.warm_fit import fitted
from training.configs import config_for
from training.data.feature_history import FeatureHistory
from training.data.histories import Dataset, read_dataset
from training.data.policy_log import read_policy_log
from training.data.split import Split, Window, split_by_time
from training.data.training_sets import check_training_set, read_training_set
from training.evaluation import ranking
from training.evaluation.context import EvaluationContext
from training.fitting.budget import Budget, peak_memory
from training.fitting.capabilities import LearnsPrivately, RanksCandidates, capabilities
from training.fitting.context import TrainingContext
from training.fitting.distributed import started_together
from training.fitting.factory import make, make_ranker
from training.fitting.failure import KILLED, recorded_failure
from training.fitting.family import Family, Ranker
from training.fitting.progress import Recorder
from training.fitting.weights import read_weights
from training.names import COMBINED, FAMILIES, OF_RUNS, TASKS, check_trainable

UNRANKED: dict[str, Any] = {
    "users_evaluated": 0,
    "scoring_ms_per_user": 0.0,
    "metrics": {},
    "validation_metrics": {},
    "beyond_accuracy": {},
    "headline": "",
}

TUNING_USERS = 800  # of the validation window, sampled by the seed

log = structlog.get_logger()


@dataclass(frozen=True)
class TrainReport:
    """``status``: trained, or unchanged where the same run existed."""

    run_id: str
    family: str
    status: str
    seconds: float
    headline: str
    metrics: dict[str, dict[str, dict[str, float]]]

    def summary(self) -> str:
        return f"{self.status} {self.run_id}: {self.headline}, {self.seconds:.1f} s"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def train(settings: Settings, snapshot_id: str, family: str) -> TrainReport:
    """Train ``family`` with its configured run on a snapshot; do nothing if the run exists.

    The run is evaluated twice: on the validation window as fitted, and on the test window after it
    observed the validation window. The files for serving have observed everything up to ``as_of``.
    Learned weights are fitted on events before T1 throughout: weights refitted on the last four
    weeks would be served without an evaluation, and cost a second fit. Histories, counts and
    popularity, which change within weeks, are up to date.

    Raises UsageError for an unknown family or a snapshot that did not pass its checks, DataError
    for data that can't be learned from, PenchantError when over budget, PrivacyRefused where the
    privacy budget doesn't allow the run. A failure is recorded.

    Under torchrun all processes share the steps of a family that learns by gradient; the first does
    the rest.
    """
    check_trainable(family, settings.dp_epsilon)
    snapshot = Snapshot.checked(settings, snapshot_id)
    config = config_for(settings, family)
    processes = started_together()
    if processes.first:
        decide_start(settings, snapshot_id)
    processes.wait()
    run_id = run_id_for(settings, snapshot_id, family)
    bind_contextvars(snapshot_id=snapshot_id, run_id=run_id)
    final = settings.runs / snapshot_id / run_id
    if processes.first:
        adopt_equal_run(settings, snapshot_id, run_id)
    if processes.broadcast(final.exists()):
        return _report(final, "unchanged")
    if processes.first:
        _make_run(settings, snapshot, family, config, run_id, final)
    else:
        _share_fit(settings, snapshot, family, config, run_id)
    processes.wait()
    return _report(final, "trained")


def run_id_for(settings: Settings, snapshot_id: str, family: str) -> str:
    """The id of this installation's run; that of a combination of runs depends on theirs, and that
    of a warm run on its parent's."""
    config = config_for(settings, family)
    members = member_runs(settings, snapshot_id).values() if family in OF_RUNS else ()
    snapshot = Snapshot.open(settings, snapshot_id)
    parent = start_of(settings, snapshot, family, config).parent_id
    return run_id_of(snapshot, family, config, settings.seed, tuple(members), parent)


def _make_run(
    settings: Settings, snapshot: Snapshot, name: str, config: Any, run_id: str, final: Path
) -> None:
    budget = Budget.of(settings, interactions(snapshot))
    code = code_version(name)
    failure = RunFailure(
        run_id=run_id,
        family=name,
        snapshot_id=snapshot.id,
        cause=KILLED,
        seconds=None,
        config=asdict(config),
        seed=settings.seed,
        code_version=code,
    )
    with (
        recorded_failure(final.parent, failure, budget),
        atomic_directory(final) as folder,
        budget.enforced(),
    ):
        family = make(name, config)
        privacy = (
            spend(settings, snapshot, run_id, name, family.mechanisms())
            if settings.dp_epsilon is not None and isinstance(family, LearnsPrivately)
            else None
        )
        dataset = read_checked(snapshot)
        split = split_by_time(dataset.histories)
        recorder = Recorder(name, budget)
        context = context_for(settings, snapshot, dataset, split, recorder, run_id)
        log.info("fitting", family=name, seconds_left=round(budget.fitting_seconds_left))
        read_seconds = budget.spent
        start = start_of(settings, snapshot, name, config)
        family, start = fitted(settings, family, dataset, split, context, start)
        fit_seconds = budget.spent - read_seconds
        log.info("evaluating", family=name, fit_seconds=round(fit_seconds, 1))
        evaluation = EvaluationContext(dataset, split, context, folder, settings.seed)
        figures = ranking.evaluate(family, evaluation) if isinstance(family, Ranker) else UNRANKED
        tasks = {
            task: evaluate_task(task, family, evaluation)
            for task in TASKS[name]
            if task != "ranking"
        }
        log.info("writing", family=name, seconds=round(budget.spent, 1))
        family.observe(dataset.histories)
        weights = {key: tensor.contiguous() for key, tensor in family.state().items()}
        save_file(weights, folder / "model.safetensors")
        if isinstance(family, Ranker):
            ranking.publishable(family, evaluation)
        if isinstance(family, RanksCandidates):
            ranking_model = family.ranking_model(folder, run_id, snapshot.id)
            ranking_model.write(RankingModelRecord.path(folder))
        protect_files(folder, PLACES["runs"])
        budget.check()
        record = RunRecord(
            run_id=run_id,
            family=name,
            snapshot_id=snapshot.id,
            config=asdict(config),
            tuned=family.tuned,
            seed=settings.seed,
            code_version=code,
            capabilities=capabilities(family),
            parameters=sum(tensor.numel() for tensor in weights.values()),
            device=str(context.device),
            threads=settings.training_threads,
            curve=tuple(astuple(point) for point in recorder.points),
            fit_seconds=round(fit_seconds, 2),
            **figures | {"headline": _headline([figures, *tasks.values()])},
            tasks=tasks,
            seconds=round(budget.spent, 2),
            peak_memory_bytes=peak_memory(),
            privacy=privacy,
            cuts=tuple(recorder.cuts),
            parent=start.parent_id,
            why_cold=start.why_cold,
        )
        if start.parent and has_drifted(record, start.parent):
            log.warning("a warm run has drifted: the next runs are cold", parent=start.parent_id)
            record = record.model_copy(update={"drifted": True})
        record.write(RunRecord.path(folder))
    rmtree(context.checkpoints, ignore_errors=True)


def evaluate_task(task: str, family: Family, evaluation: EvaluationContext) -> dict[str, Any]:
    """The JSON of a task's evaluator; ``headline``: in a few words.

    Imported when a family needs it: scikit-learn, for one, takes a second.
    """
    evaluator = import_module(f"training.evaluation.{task}")
    figures: dict[str, Any] = evaluator.evaluate(family, evaluation)
    return figures


def _share_fit(settings: Settings, snapshot: Snapshot, name: str, config: Any, run_id: str) -> None:
    """Fit beside the first process, which alone evaluates the model and writes the run."""
    budget = Budget.of(settings, interactions(snapshot))
    with budget.enforced():
        dataset = read_checked(snapshot)
        split = split_by_time(dataset.histories)
        recorder = Recorder(name, budget)
        context = context_for(settings, snapshot, dataset, split, recorder, run_id)
        start = start_of(settings, snapshot, name, config)
        fitted(settings, make(name, config), dataset, split, context, start)


def _checkpoints(settings: Settings, snapshot: Snapshot, run_id: str) -> Path:
    return settings.runs / snapshot.id / f"{STAGING_PREFIX}checkpoints-{run_id}"


def interactions(snapshot: Snapshot) -> int:
    """Rows of the mart that families learn from."""
    mart = snapshot.description.marts.get("interactions")
    return mart.rows if mart else 0


def context_for(
    settings: Settings,
    snapshot: Snapshot,
    dataset: Dataset,
    split: Split,
    recorder: Recorder,
    run_id: str,
) -> TrainingContext:
    torch.set_num_threads(settings.training_threads)
    threadpool_limits(settings.training_threads)  # NumPy's and SciPy's BLAS otherwise take them all
    torch.manual_seed(settings.seed)
    return TrainingContext(
        _sample(split.validation, settings.seed),
        dataset.items,
        torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        settings.seed,
        recorder.budget,
        _checkpoints(settings, snapshot, run_id),
        recorder.curve,
        expect=recorder.expect,
        cut=recorder.cut,
        users=dataset.users,
        training_set=lambda name: read_training_set(snapshot, name),
        policy_log=lambda: read_policy_log(snapshot, dataset),
        feature_history=lambda: FeatureHistory.read(snapshot, dataset),
        members=lambda: members(settings, snapshot),
        sentence_encoder=settings.sentence_encoder,
    )


def members(settings: Settings, snapshot: Snapshot) -> dict[str, Ranker]:
    """The fitted families that rank and have a run on a snapshot, by name."""
    found = {}
    for name, run_id in member_runs(settings, snapshot.id).items():
        family = make_ranker(name, config_for(settings, name))
        family.load_state(read_weights(settings.runs / snapshot.id / run_id / "model.safetensors"))
        found[name] = family
    return found


def member_runs(settings: Settings, snapshot_id: str) -> dict[str, str]:
    """The existing runs of families that rank and combine no others: family -> run id."""
    found = {}
    for name in FAMILIES:
        if name not in COMBINED:
            run_id = run_id_for(settings, snapshot_id, name)
            path = RunRecord.path(settings.runs / snapshot_id / run_id)
            if path.exists() and RunRecord.read(path).ranks:
                found[name] = run_id
    return found


def read_checked(snapshot: Snapshot) -> Dataset:
    """The snapshot's arrays. Raises DataError for feature leakage in any of its training sets."""
    for file in sorted(snapshot.training_set("any").parent.glob("*.parquet")):
        check_training_set(file)
    return read_dataset(snapshot)


def _sample(window: Window, seed: int) -> Window:
    """At most TUNING_USERS of the users with events in the window."""
    evaluated = window.evaluated()
    rows = np.random.default_rng(seed).permutation(len(evaluated.histories))[:TUNING_USERS]
    return evaluated.take(np.sort(rows))


def _headline(figures: list[dict[str, Any]]) -> str:
    return "; ".join(each["headline"] for each in figures if each["headline"])


def _report(run: Path, status: str) -> TrainReport:
    record = RunRecord.read(RunRecord.path(run))
    return TrainReport(
        record.run_id, record.family, status, record.seconds, record.headline, record.metrics
    )
