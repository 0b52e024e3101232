"""The privacy budget as a gate in front of training: a run spends before it reads any data."""

from collections.abc import Sequence
from datetime import UTC, datetime

from penchant.artifacts import LedgerEntry, Mechanism, PrivacySpent, RunRecord, Snapshot
from penchant.artifacts.federated import FederatedRecord
from penchant.encryption import parquet as pq
from penchant.errors import DataError, PrivacyRefused, UsageError
from penchant.privacy_ledger import PrivacyLedger
from penchant.settings import Settings
from training.privacy.accounting import epsilon_of

MORE = "raise PENCHANT_DP_BUDGET, if users were promised no less; the live release goes on serving"


def spend(
    settings: Settings,
    snapshot: Snapshot,
    run_id: str,
    family: str,
    mechanisms: Sequence[Mechanism],
) -> PrivacySpent:
    """Enter a run in the ledger of the home's users; when this returns, the entry is on disk.

    Every attempt is entered: what a killed one computed may have been seen.

    Raises PrivacyRefused where all runs would spend more than PENCHANT_DP_BUDGET together,
    UsageError without such a budget or with a delta that protects nobody, DataError for a damaged
    ledger, or for one that lacks the entry of a run on disk.
    """
    budget = _budget(settings, snapshot)
    ledger = PrivacyLedger(settings)
    with ledger.held():
        entries = ledger.entries()
        _check_runs(settings, len(entries))
        before = [each for entry in entries for each in entry.mechanisms]
        total = epsilon_of([*before, *mechanisms], settings.dp_delta)
        if total > budget:
            spent = epsilon_of(before, settings.dp_delta)
            raise PrivacyRefused(
                f"privacy budget: {len(entries)} runs spent epsilon {spent:.3f}, with {family} it "
                f"would be {total:.3f}, more than PENCHANT_DP_BUDGET={budget:g} at delta "
                f"{settings.dp_delta:g}",
                MORE,
            )
        entry = LedgerEntry(
            number=0,
            population=ledger.population,
            spent_at=datetime.now(UTC),
            snapshot_id=snapshot.id,
            run_id=run_id,
            family=family,
            mechanisms=tuple(mechanisms),
            epsilon=epsilon_of(mechanisms, settings.dp_delta),
            total_epsilon=total,
            delta=settings.dp_delta,
        )
        return ledger.append(entry).spent


def _budget(settings: Settings, snapshot: Snapshot) -> float:
    if settings.dp_budget is None:
        raise UsageError(
            "PENCHANT_DP_EPSILON is set and PENCHANT_DP_BUDGET isn't",
            "set the epsilon that all runs may spend together",
        )
    users = pq.ParquetFile(snapshot.mart("users")).metadata.num_rows
    if settings.dp_delta * users >= 1:
        raise UsageError(
            f"PENCHANT_DP_DELTA: must be below 1 / {users} users, got {settings.dp_delta:g}; "
            "publishing one user's data whole would pass as private",
            "set it to a tenth of that or less",
        )
    return settings.dp_budget


def _check_runs(settings: Settings, entries: int) -> None:
    """An older ledger, restored from a backup, lacks the entries of runs that are on disk."""
    runs = (*settings.runs.glob("s-*/*/run.json"),)
    federated = (*settings.home.glob("federated/s-*/*/federated.json"),)
    spent = {path: RunRecord.read(path).privacy for path in runs}
    spent |= {path: FederatedRecord.read(path).privacy for path in federated}
    for path, privacy in spent.items():
        if privacy and privacy.entry > entries:
            raise DataError(
                f"privacy ledger: it has {entries} entries, but run {path.parent.name} is entry "
                f"{privacy.entry}",
                "restore the newest ledger from a backup",
            )
