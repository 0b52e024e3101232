"""Fencing tokens: a publisher that was delayed can't undo what was published after it.

A lock alone doesn't prevent that: it is released when its holder is thought dead, and on a shared
file system it can be lost. Each publisher draws a token when it begins and presents it when it
flips the pointer; a token lower than the last accepted one is rejected (Kleppmann 2016, "How to do
distributed locking").
"""

import json
from dataclasses import dataclass
from pathlib import Path

from penchant.errors import DataError, UsageError
from penchant.settings import Settings
from penchant.storage import write_json

FENCING_FILE = "FENCING"


class Overtaken(UsageError):
    """A run that began later has published since. A retry would undo what it published."""


@dataclass(frozen=True)
class Fencing:
    """``path``: the last token drawn, the last accepted, and the release it made live.

    Every method needs the folder's lock held (``penchant.storage.held_alone``).
    """

    path: Path

    @classmethod
    def of(cls, settings: Settings) -> "Fencing":
        return cls(settings.releases / FENCING_FILE)

    def draw(self) -> int:
        """The next fencing token: 1, 2, 3..."""
        state = self._read()
        token = state["drawn"] + 1
        write_json(self.path, {**state, "drawn": token})
        return token

    def reject_overtaken(self, token: int, release_id: str) -> None:
        """Raise Overtaken where a later token was accepted."""
        state = self._read()
        if token < state["accepted"]:
            raise Overtaken(
                f"publishing {release_id} was overtaken: a run that began later (fencing token "
                f"{state['accepted']}, this one has {token}) made {state['live']} live; "
                "nothing was changed",
                f"publish again if {release_id} should be live",
            )

    def reject_before(self, token: int, release_id: str) -> None:
        """Reject all earlier tokens from now on. ``release_id``: what is about to be made live.

        Call it before the flip: a kill between the two then rejects too many publishers, never
        too few.
        """
        state = self._read()
        if token > state["accepted"]:
            write_json(self.path, {**state, "accepted": token, "live": release_id})

    def _read(self) -> dict:
        try:
            state = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {"drawn": 0, "accepted": 0, "live": None}
        except ValueError:
            state = None
        if not isinstance(state, dict) or not {"drawn", "accepted", "live"} <= state.keys():
            raise DataError(
                f"{self.path}: must be a JSON object with drawn, accepted and live",
                "check that no publish is running, remove the file, and publish again",
            )
        return state
