"""The selection among the families trained on a snapshot."""

from pathlib import Path

from penchant.artifacts.record import Interval, Metrics, Part, Record
from penchant.errors import UsageError
from penchant.settings import Settings


class LeaderboardRow(Part):
    """A family's test metrics, and the validation NDCG@10 that the selection used, None for a
    family that does not rank."""

    family: str
    run_id: str
    capabilities: tuple[str, ...]
    metrics: Metrics
    validation_ndcg_at_10: Interval | None


class ModelSelection(Record):
    """``selection.json``: the runs that go live. ``retriever`` is None where no family with
    vectors beats popularity. ``reasons``: the comparisons and decisions in words. ``failures``:
    family -> why it has no run."""

    REMEDY = "run `penchant select-models` again"

    selection_id: str
    snapshot_id: str
    retriever: str | None
    ranker: str
    prior: str
    reasons: tuple[str, ...]
    failures: dict[str, str]
    leaderboard: tuple[LeaderboardRow, ...]

    @staticmethod
    def path(settings: Settings, snapshot_id: str) -> Path:
        return settings.runs / snapshot_id / "selection.json"

    @classmethod
    def of(cls, settings: Settings, snapshot_id: str) -> "ModelSelection":
        """The selection of a snapshot. Raises UsageError before there is one."""
        try:
            return cls.read(cls.path(settings, snapshot_id))
        except FileNotFoundError:
            raise UsageError(
                f"no models were selected for snapshot {snapshot_id}",
                f"run `penchant select-models --snapshot {snapshot_id}` first",
            ) from None

    def roles_of(self, run_id: str) -> tuple[str, ...]:
        """The roles that a run was selected for."""
        selected = {"retriever": self.retriever, "ranker": self.ranker, "prior": self.prior}
        return tuple(role for role, selected_id in selected.items() if selected_id == run_id)

    def summary(self) -> str:
        return (
            f"selected {self.selection_id}: ranker {self.ranker}, "
            f"retriever {self.retriever or 'none: lists only'}"
        )
