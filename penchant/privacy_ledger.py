"""The privacy ledger: what every training run spent of a population's privacy budget.

A population is the users of a home. Entries are files, numbered from 1, each written whole and
flushed before the run computes anything, so that a killed run has spent and a release is never
ahead of the ledger. They are never changed, and there is no refund: a run that failed keeps its
entry. Each is sealed with a key derived from the home's, over its content and the seal before.
"""

import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penchant.artifacts import LedgerEntry, LedgerHead
from penchant.artifacts.privacy import RESTORE
from penchant.errors import DataError
from penchant.home_key import derived, home_key, where_from
from penchant.settings import Settings
from penchant.storage import held_alone

USERS = "users"
FILES = "[0-9]*.json"


class PrivacyLedger:
    """The entries of one population."""

    def __init__(self, settings: Settings, population: str = USERS) -> None:
        self.settings, self.population = settings, population
        self.folder = LedgerEntry.folder(settings, population)

    def entries(self) -> tuple[LedgerEntry, ...]:
        """All entries, oldest first; none before the first run.

        Raises DataError where one is missing, was edited, or was sealed with another key.
        """
        paths = sorted(self.folder.glob(FILES))
        head = self._head()
        if not paths and head is None:
            return ()
        entries: list[LedgerEntry] = []
        for number, path in enumerate(paths, start=1):
            if path != self._path(number):
                raise self._damaged(f"entry {number} is missing")
            entry = LedgerEntry.read(path)
            before = entries[-1].seal if entries else ""
            if (entry.number, entry.population) != (number, self.population):
                raise self._damaged(f"{path.name} holds entry {entry.number} of another ledger")
            if not hmac.compare_digest(entry.seal, self._seal(entry, before)):
                raise self._damaged(
                    f"{path.name} was edited, or sealed with another key than that of "
                    f"{where_from(self.settings)}"
                )
            entries.append(entry)
        if head is None and len(entries) > 1:
            raise self._damaged("head.json is missing")
        if head is not None:
            self._check_head(head, entries)
        return tuple(entries)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else appends meanwhile."""
        with held_alone(self.folder):
            yield

    def append(self, entry: LedgerEntry) -> LedgerEntry:
        """Number, seal and flush an entry; call it while the ledger is held.

        A process that is killed between the entry and the head leaves the entry, which counts.
        """
        before = self.entries()
        numbered = entry.model_copy(update={"number": len(before) + 1, "seal": ""})
        seal = self._seal(numbered, before[-1].seal if before else "")
        sealed = numbered.model_copy(update={"seal": seal})
        sealed.write(self._path(sealed.number))
        LedgerHead(number=sealed.number, seal=seal).write(LedgerHead.path(self.folder))
        return sealed

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.json"

    def _head(self) -> LedgerHead | None:
        path = LedgerHead.path(self.folder)
        return LedgerHead.read(path) if path.exists() else None

    def _check_head(self, head: LedgerHead, entries: list[LedgerEntry]) -> None:
        if len(entries) not in (head.number, head.number + 1):
            raise self._damaged(f"it has {len(entries)} entries, its head says {head.number}")
        if entries[head.number - 1].seal != head.seal:
            raise self._damaged(f"entry {head.number} isn't the one that its head names")

    def _seal(self, entry: LedgerEntry, before: str) -> str:
        content = json.dumps([before, entry.model_copy(update={"seal": ""}).as_dict()])
        key = derived(home_key(self.settings), b"penchant privacy ledger")
        return hmac.digest(key, content.encode(), "sha256").hex()

    def _damaged(self, cause: str) -> DataError:
        return DataError(f"privacy ledger {self.folder}: {cause}", RESTORE)
