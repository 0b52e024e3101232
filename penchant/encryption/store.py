"""SQLite files of a home ("stores"): plain, or encrypted by SQLCipher 4.

SQLCipher encrypts a page of 4 KiB with AES-256-CBC under a random IV and authenticates it with
HMAC-SHA-512. The first 16 bytes of the file are a salt that its writer may set: here a mark, the
number of the data key, and 8 random bytes. The store's own key is derived from the data key and the
salt (HKDF-SHA-256) and given as it is, so no password is stretched at each opening.

Opening accepts plain stores too: a home that is being encrypted has both.
"""

import hashlib
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from urllib.parse import quote

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from penchant.encryption.encrypted_file import REMEDY, require_home
from penchant.encryption.keyring import home_of, keyring
from penchant.errors import DataError
from penchant.storage import locked, replacing

SQLITE = b"SQLite format 3\x00"
MARK = b"PSC4"
SALT_BYTES = 16


def open_store(path: Path, read_only: bool = False, **options: Any) -> sqlite3.Connection:
    """Open a store; a new one is encrypted if it is in an encrypted home.

    ``read_only``: of a file that doesn't change any more: no locks, and it must exist.
    ``options``: of ``sqlite3.connect``. Raises DataError for a store that the home's keys don't
    open.
    """
    salt = _salt(path)
    if read_only:
        options["uri"] = True
    name = f"file:{quote(str(path))}?mode=ro&immutable=1" if read_only else str(path)
    if salt is None:
        return sqlite3.connect(name, **options)
    key, sqlcipher = _key(path, salt), _sqlcipher()
    connection = cast(sqlite3.Connection, sqlcipher.connect(name, **options))
    try:
        connection.execute("PRAGMA cipher_log_level = NONE")  # or it writes to stderr
        connection.execute(f"PRAGMA key = {key}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlcipher.DatabaseError as error:
        connection.close()
        if isinstance(error, sqlcipher.OperationalError):
            raise  # locked, or it does not exist
        raise DataError(
            f"{path}: the keys of {home_of(path)} don't open this store ({error}): it is of "
            "another home, or was changed",
            REMEDY,
        ) from None
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def opened_alone(path: Path, **options: Any) -> Iterator[sqlite3.Connection]:
    """Open a store that several processes write, once no other has it open.

    Its file may be replaced by one of another data key in between. Raises the errors of
    ``sqlite3``, also for an encrypted store, and DataError as ``open_store``.
    """
    with alone(path), _errors_of_sqlite3(path), closing(open_store(path, **options)) as connection:
        yield connection


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process has a store open that is opened by ``opened_alone``."""
    with locked(path.with_name(f"{path.name}.lock")):
        yield


def is_store(path: Path) -> bool:
    """Whether a file is a store, plain or encrypted."""
    return _head(path).startswith((SQLITE, MARK))


def is_encrypted_store(path: Path) -> bool:
    return _head(path).startswith(MARK)


def data_key_of_store(path: Path) -> int | None:
    """The number of a store's data key; None for a plain store."""
    head = _head(path)
    return _number(head) if head.startswith(MARK) else None


def encrypt_store(path: Path) -> bool:
    """Replace a store of an encrypted home by one of the newest data key; False if it is one.

    A kill leaves the old file or the new. Readers that have the old one open go on; writers must
    open it by ``opened_alone``, and the caller holds it ``alone``.
    """
    if data_key_of_store(path) == keyring(require_home(path)).newest:
        return False
    with replacing(path) as staging:
        _export(path, staging, _key(path, _new_salt(path)))
    return True


def plain_store(path: Path) -> bytes:
    """The bytes of a store as a plain SQLite file."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "plain.db"
        _export(path, copy, "''")
        return copy.read_bytes()


def digest_of_store(path: Path) -> str:
    """Hexadecimal SHA-256 of the rows of all tables: the same for a plain store and any data key.

    Raises DataError for a damaged store.
    """
    digest = hashlib.sha256()
    for row in rows_of_store(path):
        digest.update(b"".join(map(_with_type, row)))
    return digest.hexdigest()


def _with_type(value: Any) -> bytes:
    """A value's bytes behind its type and their number: different rows have different bytes."""
    if isinstance(value, bytes):
        return b"bytes %d %b" % (len(value), value)
    raw = repr(value).encode()
    return b"%b %d %b" % (type(value).__name__.encode(), len(raw), raw)


def rows_of_store(path: Path) -> Iterator[tuple[Any, ...]]:
    """For each table its name and the names of its columns, then its rows in their stored order.

    Raises DataError for a damaged store.
    """
    try:
        with closing(open_store(path, read_only=True)) as connection:
            query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
            for (table,) in connection.execute(query).fetchall():
                name = '"' + table.replace('"', '""') + '"'
                rows = connection.execute(f"SELECT * FROM {name} NOT INDEXED")
                yield table, *(column for column, *_ in rows.description)
                yield from rows
    except (sqlite3.DatabaseError, _sqlcipher().DatabaseError) as error:
        raise DataError(f"{path} is damaged: {error}", REMEDY) from None


@contextmanager
def _errors_of_sqlite3(path: Path) -> Iterator[None]:
    """Raise SQLCipher's errors as those of ``sqlite3`` with the same names."""
    if _salt(path) is None:
        yield
        return
    sqlcipher = _sqlcipher()
    try:
        yield
    except sqlcipher.Error as error:
        raise getattr(sqlite3, type(error).__name__)(str(error)) from error


def _sqlcipher() -> Any:
    from sqlcipher3 import dbapi2  # takes 20 ms, and only encrypted homes need it

    return dbapi2


def _export(path: Path, copy: Path, key: str) -> None:
    """Write a store to a new file, encrypted with a key, or plain for an empty one."""
    copy.unlink(missing_ok=True)
    salt, sqlcipher = _salt(path), _sqlcipher()
    try:
        with closing(sqlcipher.connect(str(path))) as connection:
            if salt is not None:
                connection.execute("PRAGMA cipher_log_level = NONE")
                connection.execute(f"PRAGMA key = {_key(path, salt)}")
            connection.execute(f"ATTACH DATABASE ? AS copy KEY {key}", (str(copy),))
            connection.execute("PRAGMA copy.journal_mode = OFF")
            connection.execute("PRAGMA copy.synchronous = OFF")
            connection.execute("SELECT sqlcipher_export('copy')").fetchall()
            connection.execute("DETACH DATABASE copy")
    except sqlcipher.DatabaseError as error:
        raise DataError(f"{path} can't be read: {error}", REMEDY) from None


def _salt(path: Path) -> bytes | None:
    """The salt of an encrypted store, also of a new one; None for a plain store."""
    head = _head(path) if path.exists() else b""
    if head.startswith(MARK):
        return head
    return None if head or home_of(path) is None else _new_salt(path)


def _new_salt(path: Path) -> bytes:
    number = keyring(require_home(path)).newest.to_bytes(4, "big")
    return MARK + number + secrets.token_bytes(SALT_BYTES - len(MARK) - len(number))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SALT_BYTES)


def _number(salt: bytes) -> int:
    return int.from_bytes(salt[len(MARK) : len(MARK) + 4], "big")


def _key(path: Path, salt: bytes) -> str:
    """The key and the salt of a store as a literal of SQLCipher."""
    data_key = keyring(require_home(path)).key(_number(salt))
    derived = HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"penchant store")
    return f"\"x'{derived.derive(data_key).hex()}{salt.hex()}'\""
