"""What stages write and other stages read: typed, frozen, versioned records, a file each."""

from penchant.artifacts.ads import AdPlanRecord, PlannedCampaign
from penchant.artifacts.compression import CompressionRecord
from penchant.artifacts.encryption import EncryptionKeys
from penchant.artifacts.experiment import Arm, Experiment, ExperimentResult, PromotionDecision
from penchant.artifacts.policy import PolicyDescription
from penchant.artifacts.privacy import LedgerEntry, LedgerHead, Mechanism, PrivacySpent
from penchant.artifacts.pseudonyms import PseudonymState
from penchant.artifacts.ranking_model import (
    Calibration,
    CandidateSource,
    ModelFile,
    RankingModelRecord,
)
from penchant.artifacts.receipt import ErasureReceipt
from penchant.artifacts.release import ReleaseManifest, RunReference
from penchant.artifacts.run import RunFailure, RunRecord
from penchant.artifacts.selection import LeaderboardRow, ModelSelection
from penchant.artifacts.simulation import SimulatedPolicy, SimulationRecord
from penchant.artifacts.snapshot import (
    CheckResults,
    CheckStatistics,
    Fingerprint,
    KeptRows,
    MartChecks,
    MartDescription,
    Snapshot,
    SnapshotDescription,
)
from penchant.artifacts.subject_request import SubjectRequest
from penchant.artifacts.training_start import TrainingStart

__all__ = [
    "AdPlanRecord",
    "Arm",
    "Calibration",
    "CandidateSource",
    "CheckResults",
    "CheckStatistics",
    "CompressionRecord",
    "EncryptionKeys",
    "ErasureReceipt",
    "Experiment",
    "ExperimentResult",
    "Fingerprint",
    "KeptRows",
    "LeaderboardRow",
    "LedgerEntry",
    "LedgerHead",
    "MartChecks",
    "MartDescription",
    "Mechanism",
    "ModelFile",
    "ModelSelection",
    "PlannedCampaign",
    "PolicyDescription",
    "PrivacySpent",
    "PromotionDecision",
    "PseudonymState",
    "RankingModelRecord",
    "ReleaseManifest",
    "RunFailure",
    "RunRecord",
    "RunReference",
    "SimulatedPolicy",
    "SimulationRecord",
    "Snapshot",
    "SnapshotDescription",
    "SubjectRequest",
    "TrainingStart",
]
