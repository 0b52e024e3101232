"""The `select-models` stage: which trained families go live, and why. This is the promotion rule.

The selection uses the validation window and only reports the test window, so that the figures shown
for the live family are not those it was selected by. Families are compared user by user (paired
bootstrap of the difference in NDCG@10 over all items), in the order of their serving cost in
names.py. The cost is declared, not measured: seconds differ between machines, and the selection
must not.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from penchant.artifacts import LeaderboardRow, ModelSelection, RunFailure, RunRecord, Snapshot
from penchant.encryption import parquet as pq
from penchant.errors import PenchantError, PrivacyRefused
from penchant.settings import Settings
from training.commands.plan_training import cached_run_id, finished_run
from training.evaluation.metrics.intervals import resampled_means
from training.names import COMBINED, FAMILIES, MAIN_JOB, SERVING_COST, check_name, trainable

METRIC = "ndcg@10"
POPULARITY = "popularity"


@dataclass(frozen=True)
class Run:
    """A family's run. ``ndcg``: user id -> validation NDCG@10; empty where it does not rank."""

    record: RunRecord
    ndcg: dict[str, float]

    @property
    def family(self) -> str:
        return self.record.family


def select_models(
    settings: Settings, snapshot_id: str, families: tuple[str, ...] = FAMILIES
) -> ModelSelection:
    """Select among the runs of a snapshot, write ``selection.json`` beside them and return it.

    The *ranker* is the best of all families and the *retriever* the best with vectors. A family
    goes live only if the lower end of its paired interval over popularity is above 0, and a
    costlier one only if that also holds against the current best among the cheaper ones. A family
    of the main job without a run is a failure, with its cause. Raises PenchantError when that is
    popularity, as PrivacyRefused where the privacy budget kept it from being trained.
    """
    snapshot = Snapshot.open(settings, snapshot_id)
    for family in families:
        check_name(family)
    found = {family: _read(settings, snapshot.id, family) for family in families}
    if not found.get(POPULARITY):
        failure = _failure(settings, snapshot.id, POPULARITY)
        if failure and failure.refused:
            raise PrivacyRefused(
                f"popularity has no run on snapshot {snapshot_id}: {failure.cause}",
                "nothing: the live release goes on serving",
            )
        raise PenchantError(
            f"popularity has no run on snapshot {snapshot_id}; every family is compared with it",
            f"run `penchant train --family popularity --snapshot {snapshot_id}`, "
            "then `penchant select-models` again",
        )
    failures = {
        family: _cause(settings, snapshot.id, family)
        for family, run in found.items()
        if not run and family in MAIN_JOB
    }
    runs = [run for run in found.values() if run]
    selection = select(snapshot.id, runs, failures, settings.seed)
    selection.write(ModelSelection.path(settings, snapshot.id))
    return selection


def select(
    snapshot_id: str, runs: list[Run], failures: dict[str, str], seed: int
) -> ModelSelection:
    """The selection itself. ``runs`` includes popularity; ``failures``: family -> cause.

    Families that do not rank are on the leaderboard and can't go live.
    """
    runs = sorted(runs, key=lambda run: SERVING_COST[run.family])
    rankers = [run for run in runs if run.record.ranks]
    popularity = next(run for run in rankers if run.family == POPULARITY)
    comparison = PairedComparison.of(rankers, seed)
    ranker, ranker_reasons = _best("ranker", rankers, popularity, comparison)
    with_vectors = [run for run in rankers if run.record.has_vectors]
    retriever, retriever_reasons = _best("retriever", with_vectors, popularity, comparison)
    content: dict[str, Any] = {
        "snapshot_id": snapshot_id,
        "retriever": None if retriever is popularity else retriever.record.run_id,
        "ranker": ranker.record.run_id,
        "prior": popularity.record.run_id,
        "reasons": (*ranker_reasons, *retriever_reasons),
        "failures": failures,
        "leaderboard": tuple(_leaderboard_row(run.record) for run in runs),
    }
    unidentified = ModelSelection(selection_id="", **content)
    digest = hashlib.sha256(json.dumps(unidentified.as_dict(), sort_keys=True).encode())
    return unidentified.model_copy(update={"selection_id": digest.hexdigest()[:12]})


@dataclass(frozen=True)
class Means:
    """Of families on the same users: ``mean``, and ``means`` under the same resamples."""

    mean: dict[str, float]
    means: dict[str, npt.NDArray[np.float64]]

    @classmethod
    def of(cls, runs: list[Run], users: list[str], seed: int) -> "Means":
        values_UF = np.array([[run.ndcg[user] for run in runs] for user in users])
        names = [run.family for run in runs]
        means_RF = resampled_means(values_UF, seed)
        return cls(
            dict(zip(names, values_UF.mean(axis=0).tolist(), strict=True)),
            dict(zip(names, means_RF.T, strict=True)),
        )


@dataclass(frozen=True)
class PairedComparison:
    """Paired comparisons of families.

    ``alone``: families that combine no others, on all users. ``combined``: each combination with
    all of those and with cheaper combinations, on the users that none of them was fitted on.
    """

    alone: Means
    combined: dict[str, Means]

    @classmethod
    def of(cls, runs: list[Run], seed: int) -> "PairedComparison":
        """Raises PenchantError when the runs were evaluated on different users."""
        alone = [run for run in runs if run.family not in COMBINED]
        combined = [run for run in runs if run.family in COMBINED]
        users = alone[0].ndcg.keys()
        if any(run.ndcg.keys() != users for run in alone) or any(
            not run.ndcg or not run.ndcg.keys() <= users for run in combined
        ):
            raise PenchantError(
                "two runs were evaluated on different users",
                "train both families on the same snapshot again",
            )
        means = {}
        for place, run in enumerate(combined):
            compared = combined[: place + 1]
            shared = set(users).intersection(*(one.ndcg for one in compared))
            means[run.family] = Means.of([*alone, *compared], sorted(shared), seed)
        return cls(Means.of(alone, sorted(users), seed), means)

    def compare(self, challenger: str, other: str) -> tuple[str, bool]:
        """The result in words, and whether the challenger is significantly better at 95 %."""
        on = self.combined.get(challenger, self.alone)
        gain = on.mean[challenger] - on.mean[other]
        low, high = np.quantile(on.means[challenger] - on.means[other], [0.025, 0.975])
        better = bool(low > 0)
        return (
            f"{challenger} {'beats' if better else 'does not beat'} {other} on validation "
            f"{METRIC}: {gain:+.4f} [{low:+.4f}, {high:+.4f}]",
            better,
        )


def _best(
    role: str, runs: list[Run], popularity: Run, comparison: PairedComparison
) -> tuple[Run, list[str]]:
    """From cheap to costly, a challenger must beat popularity and the current best."""
    best, reasons = popularity, []
    for challenger in (run for run in runs if run is not popularity):
        for opponent in dict.fromkeys((POPULARITY, best.family)):
            result, better = comparison.compare(challenger.family, opponent)
            reasons.append(f"{role}: {result}")
            if not better:
                break
        else:
            best = challenger
    reasons.append(
        f"{role}: popularity serves, no family is significantly better"
        if best is popularity
        else f"{role}: {best.family} goes live"
    )
    return best, reasons


def _cause(settings: Settings, snapshot_id: str, family: str) -> str:
    """Why a family has no run."""
    if family not in trainable(settings.dp_epsilon):
        return "it can't be trained under differential privacy"
    failure = _failure(settings, snapshot_id, family)
    return failure.cause if failure else "it was not trained"


def _failure(settings: Settings, snapshot_id: str, family: str) -> RunFailure | None:
    """The last failure of a family. One with another run id is of older code or config."""
    try:
        failure = RunFailure.read(RunFailure.path(settings.runs / snapshot_id, family))
    except FileNotFoundError:
        return None
    current = failure.run_id == cached_run_id(settings, snapshot_id, family)
    return failure if current else None


def _read(settings: Settings, snapshot_id: str, family: str) -> Run | None:
    if family not in trainable(settings.dp_epsilon):
        return None
    record = finished_run(settings, snapshot_id, family)
    if record is None:
        return None
    folder = settings.runs / snapshot_id / record.run_id
    return Run(record, _validation_ndcg(folder) if record.ranks else {})


def _validation_ndcg(folder: Path) -> dict[str, float]:
    wanted = (pc.field("window") == "validation") & (pc.field("population") == "all")
    table = pq.read_table(folder / "per_user.parquet", filters=wanted)
    return dict(zip(table["user_id"].to_pylist(), table[METRIC].to_pylist(), strict=True))


def _leaderboard_row(record: RunRecord) -> LeaderboardRow:
    return LeaderboardRow(
        family=record.family,
        run_id=record.run_id,
        capabilities=record.capabilities,
        metrics=record.metrics,
        validation_ndcg_at_10=record.validation_metrics.get("all", {}).get(METRIC),
    )
