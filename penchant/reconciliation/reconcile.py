"""Stage ``reconcile``: wake the DAG that has something to do and was not woken.

A DAG that stays behind, because it fails, is woken at the 1st, 2nd, 4th, 8th … call and at every
144th, so that it doesn't fail at every one. The calls are counted in the home.
"""

import json
from dataclasses import dataclass

from penchant.errors import NothingToDo
from penchant.reconciliation.stages import only_deferred_waits, resolve
from penchant.settings import Settings
from penchant.storage import write_json

BUILD = "build_snapshot"
DAILY = 144  # calls, ten minutes apart


@dataclass(frozen=True)
class WakeUp:
    """``calls``: how often the DAG was found behind since it last was not."""

    dag_id: str
    snapshot_id: str
    calls: int

    def as_dict(self) -> dict[str, object]:
        return {"dag_id": self.dag_id, "snapshot_id": self.snapshot_id, "calls": self.calls}

    def summary(self) -> str:
        return f"waking {self.dag_id} for {self.snapshot_id}"


def reconcile(settings: Settings, dag_id: str) -> WakeUp:
    """Decide whether to wake a DAG of the chain. Raises NothingToDo if not."""
    resolved = resolve(settings, dag_id)
    path = settings.home / "reconciliation" / f"{dag_id}.json"
    if resolved.done or (dag_id == BUILD and only_deferred_waits(settings)):
        path.unlink(missing_ok=True)
        raise NothingToDo(f"{dag_id} is done for {resolved.snapshot_id}", "nothing")
    before = json.loads(path.read_text()) if path.exists() else {}
    calls = before.get("calls", 0) + 1
    wake_up = WakeUp(dag_id, resolved.snapshot_id, calls)
    write_json(path, wake_up.as_dict())
    if calls & (calls - 1) and calls % DAILY:
        raise NothingToDo(
            f"{dag_id} was woken before and is still behind: {resolved.snapshot_id} is to do",
            "read the log of its last run, fix the cause, clear the task",
        )
    return wake_up
