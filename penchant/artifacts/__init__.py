"""What stages write and other stages read: typed, frozen, versioned records, a file each.

A record's module is imported when its name is first asked for: a landing needs four of them, and
all together take as long to import as it takes to land a day.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {
    "ads": "AdPlanRecord PlannedCampaign",
    "compression": "CompressionRecord",
    "encryption": "EncryptionKeys",
    "experiment": "Arm Experiment ExperimentResult PromotionDecision",
    "policy": "PolicyDescription",
    "privacy": "LedgerEntry LedgerHead Mechanism PrivacySpent",
    "pseudonyms": "PseudonymState",
    "ranking_model": "Calibration CandidateSource ModelFile RankingModelRecord",
    "receipt": "ErasureReceipt",
    "release": "ReleaseManifest RunReference",
    "run": "RunFailure RunRecord",
    "selection": "LeaderboardRow ModelSelection",
    "simulation": "SimulatedPolicy SimulationRecord",
    "snapshot": "CheckResults CheckStatistics Fingerprint KeptRows MartChecks MartDescription "
    "Snapshot SnapshotDescription",
    "subject_request": "SubjectRequest",
    "training_start": "TrainingStart",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}

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


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = found
    return found
