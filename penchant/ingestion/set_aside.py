"""Move a landed batch to quarantine, where later ingests leave it."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penchant.errors import UsageError
from penchant.ingestion.landing.batches import REASON
from penchant.ingestion.landing.contract import Code, Reason
from penchant.settings import Settings
from penchant.storage import held_alone, sync, write_json


@dataclass(frozen=True)
class SetAside:
    """A batch in quarantine; removing ``path`` lets its file land again."""

    source: str
    table: str
    sha256: str
    original_name: str
    path: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        """One line of output."""
        return (
            f"{self.source}/{self.table}: {self.original_name} is in quarantine; build again. To "
            f"land it later, remove {self.path} and ingest"
        )


def set_aside(settings: Settings, batch: str, why: str, now: datetime | None = None) -> SetAside:
    """Quarantine the batch whose SHA-256 starts with ``batch``. Raises UsageError."""
    folder = _found(settings, batch)
    table, source = folder.parent.name, folder.parent.parent.name
    described = json.loads((folder / "batch.json").read_text())
    clock = now or datetime.now(UTC).replace(tzinfo=None)
    final = settings.quarantine / source / table / folder.name
    with held_alone(settings.landing / source):
        reason = {
            name: described[name] for name in ("source", "table", "sha256", "original_name")
        } | {
            "reasons": [Reason(Code.SET_ASIDE, None, why).as_dict()],
            "quarantined_at": clock.isoformat(),
        }
        write_json(folder / REASON, reason)
        final.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(final)
        sync(folder.parent)
        sync(final.parent)
    return SetAside(source, table, folder.name, described["original_name"], str(final))


def _found(settings: Settings, batch: str) -> Path:
    """The folder of the one batch that is meant."""
    where = f"`ls {settings.landing}/*/*` lists the batches"
    if not batch.isalnum():
        raise UsageError(f"{batch!r} is not the start of a batch's SHA-256", where)
    found = sorted(file.parent for file in settings.landing.glob(f"*/*/{batch}*/batch.json"))
    if len(found) != 1:
        raise UsageError(f"{len(found)} landed batches start with {batch!r}", where)
    return found[0]
