"""What stages write and other stages read: typed, frozen, versioned records, a file each."""

from penchant.artifacts.experiment import Arm, Experiment, ExperimentResult, PromotionDecision
from penchant.artifacts.release import ReleaseManifest, RunReference
from penchant.artifacts.run import RunFailure, RunRecord
from penchant.artifacts.selection import LeaderboardRow, ModelSelection
from penchant.artifacts.snapshot import (
    CheckResults,
    CheckStatistics,
    MartChecks,
    MartDescription,
    Snapshot,
    SnapshotDescription,
)

__all__ = [
    "Arm",
    "CheckResults",
    "CheckStatistics",
    "Experiment",
    "ExperimentResult",
    "LeaderboardRow",
    "MartChecks",
    "MartDescription",
    "ModelSelection",
    "PromotionDecision",
    "ReleaseManifest",
    "RunFailure",
    "RunRecord",
    "RunReference",
    "Snapshot",
    "SnapshotDescription",
]
