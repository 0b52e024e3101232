"""The `choose` stage: which trained families go live, and why.

The choice is made on the validation window and the test window is only reported, so that the
figures shown for the live family aren't the ones it was picked by. Families are compared user by
user (paired bootstrap of the difference in NDCG@10 over all items), in the order of names.py,
cheapest to serve first: measured seconds differ from one machine and one hour to the next, and the
choice must not.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from penchant.artifacts import Snapshot
from penchant.errors import PenchantError
from penchant.settings import Settings
from penchant.storage import write_json
from training.commands.train import run_id_for
from training.evaluation.metrics.intervals import resampled_means
from training.fitting.factory import check_name
from training.fitting.failure import Failure
from training.names import COMBINED, FAMILIES, SERVING_COST

METRIC = "ndcg@10"
POPULARITY = "popularity"


@dataclass(frozen=True)
class Run:
    """A family's run as the choice sees it. ``values``: user id -> validation NDCG@10."""

    family: str
    run_id: str
    record: dict[str, Any]
    values: dict[str, float]

    @property
    def ranks(self) -> bool:
        return "ranks" in self.record["capabilities"]

    @property
    def has_vectors(self) -> bool:
        return "vectors" in self.record["capabilities"]


@dataclass(frozen=True)
class Choice:
    """What goes live. ``retriever`` is None when no family with vectors beats popularity."""

    choice_id: str
    snapshot_id: str
    retriever: str | None
    ranker: str
    prior: str
    reasons: tuple[str, ...]
    leaderboard: tuple[dict[str, Any], ...]
    missing: tuple[str, ...]

    def summary(self) -> str:
        return (
            f"chose {self.choice_id}: ranker {self.ranker}, "
            f"retriever {self.retriever or 'none: lists only'}"
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def choose(settings: Settings, snapshot_id: str, families: tuple[str, ...] = FAMILIES) -> Choice:
    """Choose among the runs of a snapshot, write ``choice.json`` beside them and return it.

    The *ranker* is the best of all and the *retriever* the best with vectors. A family goes live
    only if the lower end of its paired interval over popularity is above 0, and a costlier one
    only if that also holds against the cheaper family that would go live otherwise. A family whose
    run isn't there is listed as missing, with the reason. Raises PenchantError when that is
    popularity.
    """
    snapshot = Snapshot.open(settings, snapshot_id)
    for family in families:
        check_name(family)
    found = {family: _read(settings, snapshot.id, family) for family in families}
    runs = [run for run in found.values() if run]
    if not found.get(POPULARITY):
        raise PenchantError(
            f"popularity has no run on snapshot {snapshot_id}; everything is measured against it",
            f"run `penchant train --family popularity --snapshot {snapshot_id}`, then choose again",
        )
    missing = {name: _cause(settings, snapshot.id, name) for name, run in found.items() if not run}
    choice = decide(snapshot.id, runs, missing, settings.seed)
    write_json(settings.runs / snapshot.id / "choice.json", choice.as_dict())
    return choice


def decide(snapshot_id: str, runs: list[Run], missing: dict[str, str], seed: int) -> Choice:
    """The rule itself. ``runs`` has popularity in it; ``missing``: family -> why it has no run.
    Those that do not rank are on the leaderboard, and can't go live."""
    judged = sorted(runs, key=lambda run: SERVING_COST[run.family])
    runs = [run for run in judged if run.ranks]
    popularity = next(run for run in runs if run.family == POPULARITY)
    comparison = PairedComparison.of(runs, seed)
    ranker, ranker_reasons = _best("ranker", runs, popularity, comparison)
    retriever, retriever_reasons = _best(
        "retriever", [run for run in runs if run.has_vectors], popularity, comparison
    )
    reasons = [*ranker_reasons, *retriever_reasons]
    reasons += [f"{family} has no run: {cause}" for family, cause in missing.items()]
    content: dict[str, Any] = {
        "snapshot_id": snapshot_id,
        "retriever": None if retriever is popularity else retriever.run_id,
        "ranker": ranker.run_id,
        "prior": popularity.run_id,
        "reasons": tuple(reasons),
        "leaderboard": tuple(_row(run) for run in judged),
        "missing": tuple(missing),
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return Choice(choice_id=digest[:12], **content)


@dataclass(frozen=True)
class Means:
    """Of families on the same users: ``mean``, and ``means`` under the same resamples."""

    mean: dict[str, float]
    means: dict[str, npt.NDArray[np.float64]]

    @classmethod
    def of(cls, runs: list[Run], users: list[str], seed: int) -> "Means":
        values_UF = np.array([[run.values[user] for run in runs] for user in users])
        names = [run.family for run in runs]
        means_RF = resampled_means(values_UF, seed)
        return cls(
            dict(zip(names, values_UF.mean(axis=0).tolist(), strict=True)),
            dict(zip(names, means_RF.T, strict=True)),
        )


@dataclass(frozen=True)
class PairedComparison:
    """Paired comparisons of families.

    ``alone``: those that combine no others, on all users. ``combined``: each of the rest with all
    of those, on the users whom it has not learned from.
    """

    alone: Means
    combined: dict[str, Means]

    @classmethod
    def of(cls, runs: list[Run], seed: int) -> "PairedComparison":
        """Raises PenchantError when the runs were judged on different users."""
        alone = [run for run in runs if run.family not in COMBINED]
        combined = [run for run in runs if run.family in COMBINED]
        users = alone[0].values.keys()
        if any(run.values.keys() != users for run in alone) or any(
            not run.values or not run.values.keys() <= users for run in combined
        ):
            raise PenchantError(
                "two runs were judged on different users",
                "train both families on the same snapshot again",
            )
        return cls(
            Means.of(alone, sorted(users), seed),
            {run.family: Means.of([*alone, run], sorted(run.values), seed) for run in combined},
        )

    def compare(self, challenger: str, other: str) -> tuple[str, bool]:
        """The verdict in words, and whether the challenger won by more than the interval."""
        on = self.combined.get(challenger, self.alone)
        gain = on.mean[challenger] - on.mean[other]
        low, high = np.quantile(on.means[challenger] - on.means[other], [0.025, 0.975])
        won = bool(low > 0)
        return (
            f"{challenger} {'beats' if won else 'does not beat'} {other} on validation "
            f"{METRIC}: {gain:+.4f} [{low:+.4f}, {high:+.4f}]",
            won,
        )


def _best(
    role: str, runs: list[Run], popularity: Run, comparison: PairedComparison
) -> tuple[Run, list[str]]:
    """Walk from cheap to costly; a challenger must beat popularity and whoever stands."""
    standing, reasons = popularity, []
    for challenger in (run for run in runs if run is not popularity):
        for opponent in dict.fromkeys((POPULARITY, standing.family)):
            verdict, won = comparison.compare(challenger.family, opponent)
            reasons.append(f"{role}: {verdict}")
            if not won:
                break
        else:
            standing = challenger
    reasons.append(
        f"{role}: popularity serves, nothing beats it by more than its interval"
        if standing is popularity
        else f"{role}: {standing.family} goes live"
    )
    return standing, reasons


def _cause(settings: Settings, snapshot_id: str, family: str) -> str:
    """Why a family has no run."""
    runs = settings.runs / snapshot_id
    failure = Failure.read(runs, family, run_id_for(settings, snapshot_id, family))
    return failure.cause if failure else "it was not trained"


def _read(settings: Settings, snapshot_id: str, family: str) -> Run | None:
    run_id = run_id_for(settings, snapshot_id, family)
    folder = settings.runs / snapshot_id / run_id
    if not folder.exists():
        return None
    record = json.loads((folder / "run.json").read_text())
    run = Run(family, run_id, record, {})
    return replace(run, values=_validation_values(folder)) if run.ranks else run


def _validation_values(folder: Path) -> dict[str, float]:
    wanted = (pc.field("window") == "validation") & (pc.field("population") == "all")
    table = pq.read_table(folder / "per_user.parquet", filters=wanted)
    return dict(zip(table["user_id"].to_pylist(), table[METRIC].to_pylist(), strict=True))


def _row(run: Run) -> dict[str, Any]:
    """A family's line: test figures to report, the validation figure it was chosen by, None where
    it does not rank. No clock."""
    return {
        "family": run.family,
        "run_id": run.run_id,
        "capabilities": run.record["capabilities"],
        "metrics": run.record["metrics"],
        "validation_ndcg@10": run.record["validation_metrics"].get("all", {}).get(METRIC),
    }
