"""The catalogue of the live release's snapshot."""

from penchant.artifacts import Snapshot
from penchant.errors import UsageError
from penchant.releases.release import Release
from penchant.serving.catalogue import Catalogue
from penchant.settings import Settings


def live_catalogue(settings: Settings) -> Catalogue:
    """Raises UsageError while no release is live."""
    live = settings.live_release.current()
    if live is None:
        raise UsageError("no release is live yet", "run the main job: `make demo` or `make up`")
    snapshot_id = Release.open(settings, live).snapshot_id
    return Catalogue(settings, Snapshot.open(settings, snapshot_id))
