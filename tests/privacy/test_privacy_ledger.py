"""The privacy ledger: nothing that was spent is lost, and no damage goes unnoticed."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penchant.artifacts import LedgerEntry, LedgerHead, Mechanism
from penchant.errors import DataError
from penchant.privacy_ledger import PrivacyLedger
from penchant.serving.privacy_status import in_words, privacy_status
from penchant.settings import Settings


def entry(family: str = "popularity", total: float = 1.0) -> LedgerEntry:
    return LedgerEntry(
        number=0,
        population="users",
        spent_at=datetime(2026, 1, 2, tzinfo=UTC),
        snapshot_id="s-1",
        run_id=f"{family}-1",
        family=family,
        mechanisms=(Mechanism(noise_multiplier=4.5),),
        epsilon=1.0,
        total_epsilon=total,
        delta=1e-6,
    )


@pytest.fixture
def ledger(settings: Settings) -> PrivacyLedger:
    """A ledger with three entries."""
    ledger = PrivacyLedger(settings)
    for total in (1.0, 1.5, 1.8):
        ledger.append(entry(total=total))
    return ledger


def test_entries_are_numbered_and_read_in_order(ledger: PrivacyLedger) -> None:
    assert [each.number for each in ledger.entries()] == [1, 2, 3]
    assert [each.total_epsilon for each in ledger.entries()] == [1.0, 1.5, 1.8]


def edit(path: Path) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"epsilon": 0.1}))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "entry 2 is missing": lambda folder: (folder / "000002.json").unlink(),
    "it has 2 entries, its head says 3": lambda folder: (folder / "000003.json").unlink(),
    "it has 0 entries, its head says 3": lambda folder: [
        path.unlink() for path in folder.glob("0*.json")
    ],
    "head.json is missing": lambda folder: LedgerHead.path(folder).unlink(),
    "000002.json was edited": lambda folder: edit(folder / "000002.json"),
    "000002.json holds entry 1": lambda folder: shutil.copy(
        folder / "000001.json", folder / "000002.json"
    ),
    "000001.json: not JSON": lambda folder: (folder / "000001.json").write_text("{"),
}


@pytest.mark.parametrize("cause", DAMAGE)
def test_damage_is_one_clear_error(ledger: PrivacyLedger, cause: str) -> None:
    DAMAGE[cause](ledger.folder)
    with pytest.raises(DataError, match=cause) as caught:
        ledger.entries()
    assert "restore the folder from a backup" in str(caught.value)
    assert str(ledger.folder) in str(caught.value)
    state = privacy_status(ledger.settings)
    assert state and cause in in_words(state)


def test_another_homes_key_is_an_error(ledger: PrivacyLedger) -> None:
    other = PrivacyLedger(ledger.settings.model_copy(update={"key": None}))
    (ledger.settings.privacy / "key").write_bytes(bytes(32))
    with pytest.raises(DataError, match="sealed with another key"):
        other.entries()


def test_a_lost_key_is_not_replaced(ledger: PrivacyLedger) -> None:
    (ledger.settings.privacy / "key").unlink()
    with pytest.raises(DataError, match="key is missing"):
        ledger.entries()


def test_a_kill_between_entry_and_head_leaves_the_entry(
    ledger: PrivacyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(LedgerHead, "write", kill)
        ledger.append(entry(total=2.0))
    assert ledger.entries()[-1].total_epsilon == 2.0
    ledger.append(entry(total=2.2))
    assert [each.number for each in ledger.entries()] == [1, 2, 3, 4, 5]


def test_status_has_no_ledger_where_nothing_was_spent(settings: Settings) -> None:
    assert privacy_status(settings) is None
    state = privacy_status(settings.model_copy(update={"dp_epsilon": 1.0, "dp_budget": 8.0}))
    assert state and in_words(state) == "0 runs on users spent epsilon 0.000 of 8, at delta 1e-06"
