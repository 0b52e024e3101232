"""The `train` stage: fit one family on one snapshot, judge it, and leave a run directory."""

import hashlib
import json
import time
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog
import torch
from safetensors.torch import save_file

from penchant.errors import UsageError
from penchant.settings import PROJECT_ROOT, Settings
from penchant.snapshot import Snapshot
from penchant.storage import STAGING_PREFIX, atomic_directory, write_json
from training.budget import Budget, peak_memory
from training.configs import chosen
from training.data import Dataset, Histories, read_dataset, read_training_set, starts
from training.distributed import started_together
from training.evaluation import Evaluation, Scorer, evaluate, parts, top
from training.failure import KILLED, Failure, leaving_its_cause
from training.family import Bench, Family, HasPrior, VectorFamily, capabilities, check_name, make
from training.progress import Recorder
from training.split import Split, Window, split_by_time

LIST_LENGTH = 100
PRIOR_LENGTH = 1000
TUNING_USERS = 800  # of the validation window's, drawn by the seed: enough to tune on, and quick

log = structlog.get_logger()


@dataclass(frozen=True)
class TrainReport:
    """``status``: trained, or unchanged when the same run was there already."""

    run_id: str
    family: str
    status: str
    seconds: float
    metrics: dict[str, dict[str, dict[str, float]]]

    def summary(self) -> str:
        ndcg = self.metrics["all"]["ndcg@10"]
        return (
            f"{self.status} {self.run_id}: test NDCG@10 {ndcg['mean']:.4f} "
            f"[{ndcg['low']:.4f}, {ndcg['high']:.4f}], {self.seconds:.1f} s"
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def train(settings: Settings, snapshot_id: str, family: str) -> TrainReport:
    """Make the run of ``family``'s reference config on a snapshot; do nothing if it is there.

    The run is evaluated twice: on the validation window as fitted, and on the test window after it
    has observed the validation window. What it leaves for serving has observed everything up to
    ``as_of``. Learned weights are those fitted on events before T1 throughout: refitting on the
    last four weeks would serve weights that nothing has measured, and costs the fit again.
    Histories, counts and popularity are up to date, and those are what moves within weeks.

    Raises UsageError for an unknown family or a snapshot that has not passed its checks, DataError
    for data that can't be learned from, PenchantError when over budget: then only the reason is
    left.

    Under torchrun all processes share the steps of a family that learns by gradient; the first does
    the rest.
    """
    check_name(family)
    snapshot = Snapshot.open(settings, snapshot_id)
    _check_passed(snapshot)
    config = chosen(settings, family)
    run_id = run_id_of(snapshot_id, family, config, settings.seed)
    final = settings.runs / snapshot_id / run_id
    processes = started_together()
    if processes.first_says(final.exists()):
        return _report(final, "unchanged")
    if processes.first:
        _make_run(settings, snapshot, family, config, run_id, final)
    else:
        _share_fit(settings, snapshot, family, config, run_id)
    processes.wait()
    return _report(final, "trained")


def run_id_of(snapshot_id: str, family: str, config: Any, seed: int) -> str:
    """The run's identity: the same inputs and the same code are the same run."""
    content = json.dumps(
        [snapshot_id, family, asdict(config), seed, code_version()], sort_keys=True
    )
    return f"{family}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def code_version() -> str:
    """Hash of every Python file of ``training/``."""
    digest = hashlib.sha256()
    for file in sorted((PROJECT_ROOT / "training").rglob("*.py")):
        digest.update(str(file.relative_to(PROJECT_ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _check_passed(snapshot: Snapshot) -> None:
    if not snapshot.checks.is_file() or not json.loads(snapshot.checks.read_text())["passed"]:
        raise UsageError(
            f"snapshot {snapshot.id} has not passed its checks",
            f"run `penchant check --snapshot {snapshot.id}` first",
        )


def _make_run(
    settings: Settings, snapshot: Snapshot, name: str, config: Any, run_id: str, final: Path
) -> None:
    budget = Budget.of(settings)
    code = code_version()
    failure = Failure(run_id, name, snapshot.id, KILLED, None, asdict(config), settings.seed, code)
    with (
        leaving_its_cause(final.parent, failure, budget),
        atomic_directory(final) as folder,
        budget.enforced(),
    ):
        dataset = _read(snapshot)
        split = split_by_time(dataset.histories)
        recorder = Recorder(name, budget)
        bench = _bench(settings, dataset, split, recorder, _checkpoints(settings, snapshot, run_id))
        family = make(name, config)
        log.info("fitting", family=name, seconds_left=round(budget.fitting_seconds_left))
        read_seconds = budget.spent
        family.fit(split, bench)
        fit_seconds = budget.spent - read_seconds
        log.info("judging", family=name, fit_seconds=round(fit_seconds, 1))
        timed = TimedScorer(family.scores, bench.device)
        evaluations = _evaluate(family, timed, split, budget)
        log.info("writing", family=name, seconds=round(budget.spent, 1))
        family.observe(dataset.histories)
        _write_models(folder, family, dataset, budget)
        _write_per_user(folder, dataset, split, evaluations)
        record = {
            "run_id": run_id,
            "family": name,
            "snapshot_id": snapshot.id,
            "config": asdict(config),
            "tuned": family.tuned,
            "seed": settings.seed,
            "code_version": code,
            "capabilities": capabilities(family),
            "parameters": sum(tensor.numel() for tensor in family.state().values()),
            "device": str(bench.device),
            "threads": settings.training_threads,
            "users_evaluated": len(evaluations["test"]["all"].users),
            "curve": [astuple(point) for point in recorder.points],
            "fit_seconds": round(fit_seconds, 2),
            "scoring_ms_per_user": round(timed.ms_per_user, 4),
            **_metrics(evaluations, settings.seed),
        }
        budget.check()
        record |= {"seconds": round(budget.spent, 2), "peak_memory_bytes": peak_memory()}
        write_json(folder / "run.json", record)
    rmtree(bench.checkpoints, ignore_errors=True)


def _share_fit(settings: Settings, snapshot: Snapshot, name: str, config: Any, run_id: str) -> None:
    """Fit beside the first of the processes, which alone judges the model and writes the run."""
    budget = Budget.of(settings)
    with budget.enforced():
        dataset = _read(snapshot)
        split = split_by_time(dataset.histories)
        recorder = Recorder(name, budget)
        bench = _bench(settings, dataset, split, recorder, _checkpoints(settings, snapshot, run_id))
        make(name, config).fit(split, bench)


def _checkpoints(settings: Settings, snapshot: Snapshot, run_id: str) -> Path:
    return settings.runs / snapshot.id / f"{STAGING_PREFIX}checkpoints-{run_id}"


def _bench(
    settings: Settings, dataset: Dataset, split: Split, recorder: Recorder, checkpoints: Path
) -> Bench:
    torch.set_num_threads(settings.training_threads)
    torch.manual_seed(settings.seed)
    return Bench(
        _sample(split.validation, settings.seed),
        dataset.items,
        torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        settings.seed,
        recorder.budget,
        checkpoints,
        recorder.curve,
        expect=recorder.expect,
    )


def _read(snapshot: Snapshot) -> Dataset:
    """The snapshot's arrays; no training set in it may know the future, whoever uses it."""
    for file in sorted(snapshot.training_set("any").parent.glob("*.parquet")):
        read_training_set(snapshot, file.stem)
    return read_dataset(snapshot)


def _sample(window: Window, seed: int) -> Window:
    """At most TUNING_USERS of the users who did something in the window."""
    judged = window.judged()
    rows = np.random.default_rng(seed).permutation(len(judged.histories))[:TUNING_USERS]
    return judged.take(np.sort(rows))


@dataclass
class TimedScorer:
    """A scorer that knows what it took for each user: scoring the whole catalogue, not ranking."""

    score: Scorer
    device: torch.device
    seconds: float = 0.0
    users: int = 0

    def __call__(self, batch: Histories) -> torch.Tensor:
        started = time.perf_counter()
        scores_BI = self.score(batch)
        if self.device.type == "cuda":  # which has only been told to, so far
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - started
        self.users += len(batch)
        return scores_BI

    @property
    def ms_per_user(self) -> float:
        return 1000 * self.seconds / max(1, self.users)


def _evaluate(
    family: Family, score: Scorer, split: Split, budget: Budget
) -> dict[str, dict[str, Evaluation]]:
    """Window -> population -> evaluation; each window sees what was known at its start."""
    evaluations = {}
    for name, window in (("validation", split.validation), ("test", split.test)):
        family.observe(window.histories)
        evaluations[name] = evaluate(score, window)
        budget.check()
    return evaluations


def _metrics(evaluations: dict[str, dict[str, Evaluation]], seed: int) -> dict[str, Any]:
    """``metrics`` and ``coverage`` of the test window, ``validation_metrics`` of the other."""
    intervals = {
        window: {
            population: {name: asdict(value) for name, value in one.intervals(seed).items()}
            for population, one in populations.items()
        }
        for window, populations in evaluations.items()
    }
    return {
        "metrics": intervals["test"],
        "validation_metrics": intervals["validation"],
        "coverage": {population: one.coverage for population, one in evaluations["test"].items()},
    }


def _write_models(folder: Path, family: Family, dataset: Dataset, budget: Budget) -> None:
    """The weights, and what serving reads without ever importing this package."""
    save_file(
        {name: tensor.contiguous() for name, tensor in family.state().items()},
        folder / "model.safetensors",
    )
    pq.write_table(_ranked_lists(family, dataset, budget), folder / "ranked_lists.parquet")
    if isinstance(family, VectorFamily):
        vectors_UD = np.concatenate(
            [family.user_vectors(part).cpu().numpy() for part in parts(dataset.histories)]
        )
        _write_vectors(folder / "user_vectors.parquet", "user_id", dataset.user_ids, vectors_UD)
        learned_I = family.learned_items()[:, None]
        vectors_ID = (family.item_vectors() * learned_I).cpu().numpy()
        _write_vectors(folder / "item_vectors.parquet", "item_id", dataset.item_ids, vectors_ID)
    if isinstance(family, HasPrior):
        scores_1K, items_1K = top(family.prior()[None], PRIOR_LENGTH)
        ids = np.array(dataset.item_ids)[items_1K[0]]
        table = {
            "item_id": pa.array(ids, pa.string()),
            "score": pa.array(scores_1K[0], pa.float32()),
        }
        pq.write_table(pa.table(table), folder / "prior.parquet")


def _ranked_lists(family: Family, dataset: Dataset, budget: Budget) -> pa.Table:
    """The best items of every known user at ``as_of``, best first."""
    item_ids = np.array(dataset.item_ids)
    scores, items = [], []
    for part in parts(dataset.histories):
        scores_BK, items_BK = top(family.scores(part), LIST_LENGTH)
        scores.append(scores_BK)
        items.append(item_ids[items_BK])
        budget.check()
    return pa.table(
        {
            "user_id": pa.array(dataset.user_ids, pa.string()),
            "item_ids": _lists(np.concatenate(items), pa.string()),
            "scores": _lists(np.concatenate(scores), pa.float32()),
        }
    )


def _write_vectors(path: Path, key: str, ids: tuple[str, ...], vectors: np.ndarray) -> None:
    """Write the vectors that are not 0: of whom something is known."""
    known = vectors.any(axis=1)
    table = {
        key: pa.array(np.array(ids)[known], pa.string()),
        "vector": _lists(vectors[known], pa.float32()),
    }
    pq.write_table(pa.table(table), path)


def _lists(matrix: np.ndarray, kind: pa.DataType) -> pa.ListArray:
    """A list column of the matrix's rows."""
    offsets = pa.array(np.arange(len(matrix) + 1) * matrix.shape[1], pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.ravel(), kind))


def _write_per_user(
    folder: Path, dataset: Dataset, split: Split, evaluations: dict[str, dict[str, Evaluation]]
) -> None:
    """Each judged user's metrics, for comparing runs user by user.

    Columns: window, population, user_id, ``events`` known when the window began, ``found@10`` (the
    targets among the first ten, best first) and the metrics.
    """
    user_ids, item_ids = np.array(dataset.user_ids), np.array(dataset.item_ids)
    windows = {"validation": split.validation, "test": split.test}
    tables = [
        pa.table(
            {
                "user_id": pa.array(user_ids[one.users], pa.string()),
                "window": pa.array([window] * len(one.users), pa.string()),
                "population": pa.array([population] * len(one.users), pa.string()),
                "events": pa.array(windows[window].histories.lengths_U[one.users], pa.int32()),
                "found@10": pa.ListArray.from_arrays(
                    pa.array(starts(one.found_U), pa.int32()),
                    pa.array(item_ids[one.found_items_N], pa.string()),
                ),
                **one.values,
            }
        )
        for window, populations in evaluations.items()
        for population, one in populations.items()
    ]
    pq.write_table(pa.concat_tables(tables), folder / "per_user.parquet")


def _report(run: Path, status: str) -> TrainReport:
    record = json.loads((run / "run.json").read_text())
    return TrainReport(
        record["run_id"], record["family"], status, record["seconds"], record["metrics"]
    )
