"""What stages write and other stages read: typed, frozen, versioned records, a file each."""

from penchant.artifacts.ads import AdPlanRecord, PlannedCampaign
from penchant.artifacts.compression import CompressionRecord
from penchant.artifacts.experiment import Arm, Experiment, ExperimentResult, PromotionDecision
from penchant.artifacts.policy import PolicyDescription
from penchant.artifacts.release import ReleaseManifest, RunReference
from penchant.artifacts.run import RunFailure, RunRecord
from penchant.artifacts.selection import LeaderboardRow, ModelSelection
from penchant.artifacts.simulation import SimulatedPolicy, SimulationRecord
from penchant.artifacts.snapshot import (
    CheckResults,
    CheckStatistics,
    MartChecks,
    MartDescription,
    Snapshot,
    SnapshotDescription,
)

__all__ = [
    "AdPlanRecord",
    "Arm",
    "CheckResults",
    "CheckStatistics",
    "CompressionRecord",
    "Experiment",
    "ExperimentResult",
    "LeaderboardRow",
    "MartChecks",
    "MartDescription",
    "ModelSelection",
    "PlannedCampaign",
    "PolicyDescription",
    "PromotionDecision",
    "ReleaseManifest",
    "RunFailure",
    "RunRecord",
    "RunReference",
    "SimulatedPolicy",
    "SimulationRecord",
    "Snapshot",
    "SnapshotDescription",
]
