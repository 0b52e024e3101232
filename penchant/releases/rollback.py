"""Make the release before the live one live again."""

from dataclasses import asdict, dataclass
from typing import Any

from penchant.errors import UsageError
from penchant.releases.fencing import Fencing
from penchant.releases.opened import OpenRelease
from penchant.settings import Settings
from penchant.storage import held_alone


@dataclass(frozen=True)
class RollbackReport:
    """``release_id`` is live now, ``left`` was before."""

    release_id: str
    snapshot_id: str
    left: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        return f"release {self.release_id} is live again instead of {self.left}"


def rollback(settings: Settings, leaving: str | None = None) -> RollbackReport:
    """Make the release that was live before the last flip live again.

    ``leaving``: the release that the caller saw as live; UsageError where another is live by now.
    A publish that began earlier is rejected when it finishes, so that it can't undo the rollback.
    """
    with held_alone(settings.releases):
        pointer, fencing = settings.live_release, Fencing.of(settings)
        left, previous = pointer.current(), pointer.previous()
        if left is None or previous is None:
            raise UsageError(
                "there is no previous release to go back to",
                "`penchant publish` another snapshot or selection first",
            )
        if leaving is not None and leaving != left:
            raise UsageError(
                f"{left} is live now, not {leaving or 'none'}; nothing was changed",
                "check whether you want to leave the release that is live now, and repeat",
            )
        back = OpenRelease(settings, previous)  # everything that services need is there
        fencing.reject_before(fencing.draw(), previous)
        pointer.flip(previous)
    return RollbackReport(previous, back.release.snapshot_id, left)
