"""A training run: the record of one that succeeded, or the failure of one that did not."""

from pathlib import Path
from typing import Any

from penchant.artifacts.privacy import PrivacySpent
from penchant.artifacts.record import Metrics, Record

FAILED = "failed"


class RunRecord(Record):
    """``run.json`` of a run's directory.

    ``config``: the family's. ``tuned``: what ``fit`` selected on the validation window. ``curve``:
    name, step, value and seconds since the start. ``metrics`` and ``beyond_accuracy`` (population
    -> metric) are of the test window. ``tasks``: results of the evaluators besides ranking.
    ``headline``: the results in a few words. ``privacy``: what the run spent of the privacy budget;
    None without differential privacy. ``cuts``: what was left out for the size of the shop.
    ``parent``: the run that it started from, for a warm one; ``why_cold``: why there is none, where
    there could be. ``drifted``: it validates below the parent's interval, so the family starts cold
    on the next snapshots.
    """

    REMEDY = "run `penchant train` for this family again"

    run_id: str
    family: str
    snapshot_id: str
    config: dict[str, Any]
    tuned: dict[str, Any]
    seed: int
    code_version: str
    capabilities: tuple[str, ...]
    parameters: int
    device: str
    threads: int
    curve: tuple[tuple[str, int, float, float], ...]
    fit_seconds: float
    users_evaluated: int
    scoring_ms_per_user: float
    metrics: Metrics
    validation_metrics: Metrics
    beyond_accuracy: dict[str, dict[str, float | None]]
    tasks: dict[str, dict[str, Any]]
    headline: str
    seconds: float
    peak_memory_bytes: int
    privacy: PrivacySpent | None = None
    cuts: tuple[str, ...] = ()
    parent: str | None = None
    why_cold: str | None = None
    drifted: bool = False

    @staticmethod
    def path(run: Path) -> Path:
        """The file in a run's directory."""
        return run / "run.json"

    @property
    def ranks(self) -> bool:
        return "ranks" in self.capabilities

    @property
    def has_vectors(self) -> bool:
        return "vectors" in self.capabilities


class RunFailure(Record):
    """The last failure of a family on a snapshot. ``cause``: in one line. ``seconds``: None while
    the run continues, and after its process was killed. ``nothing_to_do``: the snapshot has nothing
    that the family learns from, so that another attempt ends in the same way. ``refused``: by the
    privacy budget, before anything was learned."""

    REMEDY = "run `penchant train` for this family again"

    run_id: str
    family: str
    snapshot_id: str
    cause: str
    nothing_to_do: bool = False
    refused: bool = False
    seconds: float | None
    config: dict[str, Any]
    seed: int
    code_version: str

    @staticmethod
    def path(runs: Path, family: str) -> Path:
        """The file of a family; ``runs``: the folder of its snapshot's runs."""
        return runs / FAILED / f"{family}.json"
