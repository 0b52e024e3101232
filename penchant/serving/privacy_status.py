"""What training under differential privacy spent, for ``penchant status`` and the report."""

from typing import Any

from penchant.artifacts import LedgerEntry
from penchant.errors import DataError
from penchant.privacy_ledger import PrivacyLedger
from penchant.settings import Settings


def privacy_status(settings: Settings) -> dict[str, Any] | None:
    """The privacy ledger of the home's users; None where no run spent and none is to.

    ``epsilon``: of all runs together, at ``delta``. ``runs``: entries of the ledger, oldest first.
    ``damage``: why the ledger can't be read, else None.
    """
    ledger = PrivacyLedger(settings)
    entries: tuple[LedgerEntry, ...] = ()
    damage: str | None = None
    try:
        entries = ledger.entries()
    except DataError as error:
        damage = error.cause
    if not entries and damage is None and settings.dp_epsilon is None:
        return None
    kept = ("number", "spent_at", "snapshot_id", "run_id", "family", "epsilon", "total_epsilon")
    records = [entry.as_dict() for entry in entries]
    return {
        "population": ledger.population,
        "epsilon": entries[-1].total_epsilon if entries else 0.0,
        "delta": entries[-1].delta if entries else settings.dp_delta,
        "budget": settings.dp_budget,
        "run_epsilon": settings.dp_epsilon,
        "runs": [{name: record[name] for name in kept} for record in records],
        "damage": damage,
    }


def in_words(privacy: dict[str, Any]) -> str:
    """The state of the ledger in a line."""
    if privacy["damage"]:
        return str(privacy["damage"])
    budget = privacy["budget"]
    of = "without a budget" if budget is None else f"of {budget:g}"
    return (
        f"{len(privacy['runs'])} runs on {privacy['population']} spent epsilon "
        f"{privacy['epsilon']:.3f} {of}, at delta {privacy['delta']:g}"
    )
