"""What of the shop the pages look things up in: the snapshot that the live release is of."""

from penchant.artifacts import Snapshot
from penchant.errors import UsageError
from penchant.releases.release import Release
from penchant.serving.catalogue import Catalogue
from penchant.settings import Settings


def live_catalogue(settings: Settings) -> Catalogue:
    """Raises UsageError before anything is published."""
    live = settings.live_release.current()
    if live is None:
        raise UsageError("nothing is published yet", "run the main job: `make demo` or `make up`")
    snapshot_id = Release.open(settings, live).snapshot_id
    return Catalogue(settings, Snapshot.open(settings, snapshot_id))
