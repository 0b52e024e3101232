"""The description of a learned policy."""

from pathlib import Path
from typing import Any

from penchant.artifacts.record import Record


class PolicyDescription(Record):
    """``policy.json`` beside the policy's arrays. ``features``: names, in order. ``settings``: of
    how it selects actions, see ``bandits/learned.py``."""

    REMEDY = "run `penchant train --family bandit` again, then `penchant evaluate-policy`"

    features: tuple[str, ...]
    settings: dict[str, Any]

    @staticmethod
    def path(folder: Path) -> Path:
        return folder / "policy.json"
