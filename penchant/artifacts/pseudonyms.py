"""Whether a home holds pseudonyms or the sources' user ids."""

from pathlib import Path
from typing import Literal

from penchant.artifacts.record import Record
from penchant.settings import Settings


class PseudonymState(Record):
    """``privacy/pseudonyms.json``, written before the first personal data.

    ``state``: ``on``; ``off``: the home holds user ids, as ``PENCHANT_PSEUDONYMS=false`` asked;
    ``migrating``: what has landed holds pseudonyms, and ``raw_snapshots`` and what was made from
    them still hold user ids. ``key``: fingerprint of the home's key; empty where it is ``off``.
    """

    REMEDY = "restore the file from a backup: it says what the user ids in the home are"

    state: Literal["on", "off", "migrating"]
    key: str = ""
    raw_snapshots: tuple[str, ...] = ()

    @staticmethod
    def path(settings: Settings) -> Path:
        return settings.privacy / "pseudonyms.json"
