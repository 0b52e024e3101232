"""``penchant promote``: build, check and materialize the dbt project as it is."""

from dataclasses import asdict, dataclass
from typing import Any

from penchant.building.build import build
from penchant.features.materialize import materialize
from penchant.quality.check import check
from penchant.settings import Settings


@dataclass(frozen=True)
class Promotion:
    """The snapshot that is live, and the one before it."""

    snapshot_id: str
    before: str | None
    warnings: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        """One line of output."""
        if self.snapshot_id == self.before:
            return f"{self.snapshot_id} is live already: the edit changes no mart"
        warnings = f", {self.warnings} warnings" if self.warnings else ""
        return (
            f"{self.snapshot_id} is live in place of {self.before or 'none'}{warnings}; its "
            "features are online, and families learn them in the next training run"
        )


def promote(settings: Settings) -> Promotion:
    """Make the edited project live.

    Raises as ``build``, ``check`` and ``materialize`` do; then the snapshot before it stays live.
    """
    before = settings.live_snapshot.current()
    snapshot_id = build(settings).snapshot_id
    checked = check(settings, snapshot_id)
    materialize(settings, snapshot_id)
    return Promotion(snapshot_id, before, checked.warnings)
