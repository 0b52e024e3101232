"""What of the shop the pages look things up in: the snapshot that the live generation is of."""

from penchant.errors import UsageError
from penchant.serving.catalogue import Catalogue
from penchant.serving.generations.generation import Generation
from penchant.settings import Settings
from penchant.snapshot import Snapshot


def live_catalogue(settings: Settings) -> Catalogue:
    """Raises UsageError before anything is published."""
    live = settings.live_generation.current()
    if live is None:
        raise UsageError("nothing is published yet", "run the main job: `make demo` or `make up`")
    snapshot_id = Generation.open(settings, live).snapshot_id
    return Catalogue(settings, Snapshot.open(settings, snapshot_id))
