"""Only a snapshot that has passed its checks is read by Feast."""

import json

from penchant.artifacts import Snapshot
from penchant.errors import UsageError
from penchant.settings import Settings


def checked_snapshot(settings: Settings, snapshot_id: str) -> Snapshot:
    """Open a snapshot that has passed its checks. Raises UsageError on any other."""
    snapshot = Snapshot.open(settings, snapshot_id)
    if not snapshot.checks.is_file():
        raise UsageError(
            f"snapshot {snapshot_id} has not been checked",
            f"run `penchant check --snapshot {snapshot_id}` first",
        )
    if not json.loads(snapshot.checks.read_text())["passed"]:
        raise UsageError(
            f"snapshot {snapshot_id} did not pass its checks",
            "see the Data Docs for what failed; materialize a snapshot that passed",
        )
    return snapshot
