"""``penchant subject unlearn``: a release without erased people, before all families are trained.

The main job does the same with every family, in the time of a day's training. Each step is one of
its stages, idempotent, so a killed call goes on when it is called again.
"""

from dataclasses import asdict, dataclass
from typing import Any

from penchant.building.build import build
from penchant.errors import NothingToDo
from penchant.features.materialize import materialize
from penchant.privacy.derived import still_live
from penchant.privacy.erase import require_waiting
from penchant.publishing.publish import publish
from penchant.quality.check import check
from penchant.settings import Settings
from penchant.storage import hold
from training.commands.select_models import select_models
from training.commands.train import train
from training.names import UNLEARNS, trainable


@dataclass(frozen=True)
class UnlearnReport:
    """``families``: that the release was selected from."""

    snapshot_id: str
    release_id: str
    families: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        return (
            f"release {self.release_id} of {', '.join(self.families)} is live, on snapshot "
            f"{self.snapshot_id} without the people; next: `penchant subject finish`"
        )


def unlearn(settings: Settings) -> UnlearnReport:
    """Build, check, fit what unlearns exactly, select and publish.

    Raises NothingToDo where no erasure waits, or nothing serves their data any more, and as the
    stages do.
    """
    affected = {each for request in require_waiting(settings) for each in request.affected}
    if not still_live(settings, affected):
        raise NothingToDo("nothing that is live has the people's data", "`penchant subject finish`")
    snapshot_id = build(settings).snapshot_id
    hold(settings.snapshot_lock(snapshot_id))
    check(settings, snapshot_id)
    materialize(settings, snapshot_id)
    families = tuple(name for name in UNLEARNS if name in trainable(settings.dp_epsilon))
    for family in families:
        train(settings, snapshot_id, family)
    select_models(settings, snapshot_id, families)
    report = publish(settings, snapshot_id)
    return UnlearnReport(snapshot_id, report.release_id, families)
