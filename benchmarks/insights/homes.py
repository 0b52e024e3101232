"""The homes that a benchmark of insights is measured on, by the sources of their live snapshot."""

from collections.abc import Iterator
from pathlib import Path

from penchant.artifacts import Snapshot
from penchant.settings import Settings

PREDICTED_OR_LOGGED = ("feedback", "insights")


def homes_of(settings: Settings, others: str) -> Iterator[tuple[str, Settings]]:
    """``others``: further homes, comma-separated.

    Raises UsageError for a home without a live snapshot.
    """
    for home in (settings.home, *(Path(each) for each in others.split(",") if each)):
        each = settings.model_copy(update={"home": home})
        sources = Snapshot.live(each).description.sources
        yield " and ".join(source for source in sources if source not in PREDICTED_OR_LOGGED), each
