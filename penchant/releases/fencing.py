"""Order among publishers, so that one that was held up for an hour can't undo what came after it.

A lock alone does not give that: it is given up when its holder is thought dead, and where the home
is shared by machines it can be lost. So a publisher draws a number when it begins and shows it when
it flips, and no number passes after a higher one. See Kleppmann 2016, "How to do distributed
locking", on fencing tokens; a number is called a fencing_token here.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from penchant.errors import DataError, UsageError
from penchant.storage import write_json

FENCING_FILE = "FENCE"


class Overtaken(UsageError):
    """A run that began later has flipped since. Not worth a retry: that would undo what it did."""


@dataclass(frozen=True)
class Fencing:
    """``path``: the last fencing_token drawn, the last that passed, and what it made live.

    Every method wants the folder's lock held (``penchant.storage.held_alone``).
    """

    path: Path

    def draw(self) -> int:
        """The next fencing_token: 1, 2, 3..."""
        state = self._read()
        fencing_token = state["drawn"] + 1
        write_json(self.path, {**state, "drawn": fencing_token})
        return fencing_token

    def refuse_overtaken(self, fencing_token: int, release_id: str) -> None:
        """Raise Overtaken where a later fencing_token has passed."""
        state = self._read()
        if fencing_token < state["passed"]:
            raise Overtaken(
                f"publishing {release_id} was overtaken: a run that began later "
                f"(fencing_token {state['passed']}, this one has {fencing_token}) made {state['live']} live; "
                "nothing was changed",
                f"publish again if {release_id} is what readers should have",
            )

    def shut_out_before(self, fencing_token: int, release_id: str) -> None:
        """Refuse all earlier tickets from now on, for the sake of what is made live.

        Call it before the flip: a kill between the two shuts out too many, and never too few.
        """
        state = self._read()
        if fencing_token > state["passed"]:
            write_json(self.path, {**state, "passed": fencing_token, "live": release_id})

    def _read(self) -> dict:
        try:
            state = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {"drawn": 0, "passed": 0, "live": None}
        except ValueError:
            state = None
        if not isinstance(state, dict) or not {"drawn", "passed", "live"} <= state.keys():
            raise DataError(
                f"{self.path} is not a fence: it should hold drawn, passed and live, as JSON",
                "see that no publish is running, remove the file, and publish again",
            )
        return state
