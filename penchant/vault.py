"""The vault: the only table that leads from a pseudonym back to a user id.

``privacy/vault.db``, a SQLite file. Each user id is encrypted with AES-256-GCM under a key derived
from the home's, with a random nonce of 96 bits and the pseudonym as associated data, so entries
can't be exchanged. In an encrypted home SQLCipher encrypts the whole file too. Nothing that is
served depends on the vault: services ask with user ids, whose pseudonyms are computed. It is read
to show people to those who may see them, and for erasure.
"""

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from penchant.encryption.store import open_store, opened_alone
from penchant.errors import DataError
from penchant.home_key import derived, fingerprint, home_key, vault_path
from penchant.settings import Settings
from penchant.storage import PRIVATE, STAGING_PREFIX, sync

NONCE_BYTES = 12
A_TRANSACTION = 1_000  # entries, so that others wait for milliseconds
REMEDY = "restore privacy/vault.db and the key from the same backup"


class Vault:
    """The vault of a home. Any number of processes may read and write it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def path(self) -> Path:
        return vault_path(self._settings)

    def remember(self, user_ids: Mapping[str, str]) -> None:
        """Add entries, pseudonym -> user id, that are not there yet.

        Raises DataError for a vault of another key.
        """
        entries = iter(user_ids.items())
        while some := list(islice(entries, A_TRANSACTION)):
            with self._opened() as (connection, cipher), connection:
                sealed = [(name, _sealed(cipher, name, user_id)) for name, user_id in some]
                connection.executemany("INSERT OR IGNORE INTO people VALUES (?, ?)", sealed)

    def reveal(self, pseudonyms: Iterable[str]) -> dict[str, str]:
        """The user ids of pseudonyms, without those that have no entry.

        Raises DataError for a vault of another key, or an entry that was changed.
        """
        if not self.path.exists():
            return {}
        found = {}
        with self._opened() as (connection, cipher):
            for name in set(pseudonyms):
                query = "SELECT sealed FROM people WHERE pseudonym = ?"
                for (sealed,) in connection.execute(query, (name,)):
                    found[name] = self._unsealed(cipher, name, sealed)
        return found

    def forget(self, pseudonyms: Iterable[str]) -> int:
        """Remove entries; return their number. Their bytes are overwritten."""
        if not self.path.exists():
            return 0
        with self._opened() as (connection, _):
            names = [(name,) for name in pseudonyms]
            with connection:
                removed = connection.executemany("DELETE FROM people WHERE pseudonym = ?", names)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.remove_unfinished()
            unfinished = self.path.with_name(f"{STAGING_PREFIX}{self.path.name}")
            unfinished.unlink(missing_ok=True)  # of a killed change of the data key
            return removed.rowcount if names else 0

    @contextmanager
    def _opened(self) -> Iterator[tuple[sqlite3.Connection, AESGCM]]:
        key = home_key(self._settings)
        if not self.path.exists():
            self._make(fingerprint(key))
        if not self.path.stat().st_size:  # SQLite would make an empty vault of it
            raise DataError(f"{self.path} is damaged: it has 0 bytes", REMEDY)
        try:
            with opened_alone(self.path) as connection:
                connection.execute("PRAGMA journal_mode = WAL")  # a new data key ends it
                connection.execute("PRAGMA secure_delete = ON")
                self._require_key(connection, fingerprint(key))
                yield connection, AESGCM(derived(key, b"penchant vault"))
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # the disk is full
            raise DataError(f"{self.path} is damaged: {error}", REMEDY) from error

    def _make(self, key: str) -> None:
        """Make the whole file at another path, so that one without tables is a damaged one."""
        self._settings.privacy.mkdir(mode=0o700, parents=True, exist_ok=True)
        staging = self.path.with_name(f"{self._staging}{secrets.token_hex(4)}")
        staging.touch(mode=PRIVATE)
        try:
            connection = open_store(staging)
            try:
                with connection:
                    connection.execute("CREATE TABLE made_with (key TEXT PRIMARY KEY)")
                    connection.execute(
                        "CREATE TABLE people (pseudonym TEXT PRIMARY KEY, sealed BLOB) "
                        "WITHOUT ROWID"
                    )
                    connection.execute("INSERT INTO made_with VALUES (?)", (key,))
            finally:
                connection.close()
            with suppress(FileExistsError, FileNotFoundError):  # another process has made it
                self.path.hardlink_to(staging)
        finally:
            staging.unlink(missing_ok=True)
        self.remove_unfinished()
        sync(self._settings.privacy)

    def remove_unfinished(self) -> None:
        """Remove what killed processes left while they made a vault, once there is one."""
        if self.path.exists():
            for file in self._settings.privacy.glob(f"{self._staging}*"):
                file.unlink(missing_ok=True)

    @property
    def _staging(self) -> str:
        return f"{STAGING_PREFIX}{self.path.name}-"

    def _require_key(self, connection: sqlite3.Connection, key: str) -> None:
        connection.execute("PRAGMA synchronous = NORMAL")
        (found,) = connection.execute("SELECT min(key) FROM made_with").fetchone()
        if found != key:
            raise DataError(
                f"{self.path} was made with the key {found}, this home has the key {key}", REMEDY
            )

    def _unsealed(self, cipher: AESGCM, name: str, sealed: bytes) -> str:
        try:
            opened = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode())
        except InvalidTag:
            raise DataError(f"{self.path}: the entry of {name} was changed", REMEDY) from None
        return opened.decode("utf-8", "surrogatepass")


def _sealed(cipher: AESGCM, name: str, user_id: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, user_id.encode("utf-8", "surrogatepass"), name.encode())
