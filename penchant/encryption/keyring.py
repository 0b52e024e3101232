"""The data keys of an encrypted home.

A home is encrypted if it has ``privacy/encryption.json``. That file holds data keys of 32 random
bytes, wrapped by a key derived from the home's (HKDF-SHA-256, AES-256-GCM). Each encrypted file
names the number of its data key, so a new data key can be added while files of earlier ones remain.
"""

import os
import secrets
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from penchant.artifacts import EncryptionKeys, PseudonymState
from penchant.errors import DataError, UsageError
from penchant.home_key import KEY_BYTES, derived, fingerprint, home_key, where_from
from penchant.settings import Settings
from penchant.storage import held_alone

NONCE_BYTES = 12
PURPOSE = b"penchant data keys"
GIVE_A_KEY = (
    "set PENCHANT_KEY, PENCHANT_KEY_FILE or PENCHANT_KEY_COMMAND: a key in the home would lie "
    "beside what it encrypts"
)


@dataclass(frozen=True)
class Keyring:
    """Data keys by number, 32 bytes each."""

    path: Path
    keys: Mapping[int, bytes]

    @property
    def newest(self) -> int:
        """The number of the key that files are written with."""
        return max(self.keys)

    def key(self, number: int) -> bytes:
        """Raises DataError for a number that the home doesn't have."""
        if number not in self.keys:
            raise DataError(
                f"{self.path}: has no data key {number}, which a file was encrypted with",
                EncryptionKeys.REMEDY,
            )
        return self.keys[number]


def home_of(path: Path) -> Path | None:
    """The encrypted home that a path is in; None for a path outside of one."""
    folders = _folders(path.absolute())
    return next((home for home, keys in folders if os.path.exists(keys)), None)  # noqa: PTH110


@lru_cache(maxsize=256)
def _folders(path: Path) -> tuple[tuple[Path, str], ...]:
    """The folders that a path is in, and where each would have its keys: looked up for each line
    of a log, so without making paths again."""
    return tuple((each, str(EncryptionKeys.path(each))) for each in (path, *path.parents))


def keyring(home: Path) -> Keyring:
    """The keys of an encrypted home. Raises DataError where the home's key is another or lost."""
    return _opened(home, EncryptionKeys.path(home).stat().st_mtime_ns)


def is_encrypted(settings: Settings) -> bool:
    return EncryptionKeys.path(settings.home).exists()


def establish(settings: Settings) -> None:
    """Make the first data key of a home, unless it has one.

    Raises UsageError where no setting gives the home's key.
    """
    require_given_key(settings)
    settings.privacy.mkdir(mode=0o700, parents=True, exist_ok=True)
    with held_alone(settings.privacy):
        establish_held(settings)


def establish_held(settings: Settings) -> None:
    """``establish`` for a caller that holds the folder ``privacy``."""
    require_given_key(settings)
    if not is_encrypted(settings):
        _require_key_of_home(settings)
        _write(settings, {1: secrets.token_bytes(KEY_BYTES)})


def add_data_key(settings: Settings) -> int:
    """Add a data key, which files are written with from now on; return its number."""
    with held_alone(settings.privacy):
        known = keyring(settings.home)
        number = known.newest + 1
        _write(settings, {**known.keys, number: secrets.token_bytes(KEY_BYTES)})
    return number


def keep_data_keys(settings: Settings, numbers: Set[int]) -> None:
    """Remove the other data keys: files of theirs can't be read any more."""
    with held_alone(settings.privacy):
        known = keyring(settings.home).keys
        _write(settings, {number: key for number, key in known.items() if number in numbers})


def require_given_key(settings: Settings) -> None:
    """Raise UsageError where no setting gives the home's key: it would be in the home."""
    if not (settings.key or settings.key_file or settings.key_command):
        raise UsageError("encryption: no setting gives the home's key", GIVE_A_KEY)


def _require_key_of_home(settings: Settings) -> None:
    """Raise DataError where the home's pseudonyms were made with another key."""
    path = PseudonymState.path(settings)
    if path.exists() and (made_with := PseudonymState.read(path).key):
        _require_same(settings, made_with, path)


def _require_same(settings: Settings, expected: str, path: Path) -> None:
    found = fingerprint(home_key(settings))
    if found != expected:
        raise DataError(
            f"{where_from(settings)}: not the key of this home: its fingerprint is {found}, "
            f"{path} has {expected}",
            "restore the home's own key",
        )


@lru_cache(maxsize=8)
def _opened(home: Path, changed_at: int) -> Keyring:
    """``changed_at``: mtime of the file, so that another process's change is read."""
    settings, path = Settings(home=home), EncryptionKeys.path(home)
    record = EncryptionKeys.read(path)
    _require_same(settings, record.key, path)
    cipher = AESGCM(derived(home_key(settings), PURPOSE))
    return Keyring(
        path, {number: _unwrapped(cipher, path, each) for number, each in record.wrapped.items()}
    )


def _unwrapped(cipher: AESGCM, path: Path, wrapped: str) -> bytes:
    try:
        raw = bytes.fromhex(wrapped)
        return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], PURPOSE)
    except (ValueError, InvalidTag):
        raise DataError(f"{path}: a wrapped key is damaged", EncryptionKeys.REMEDY) from None


def _write(settings: Settings, keys: Mapping[int, bytes]) -> None:
    key = home_key(settings)
    cipher = AESGCM(derived(key, PURPOSE))
    wrapped = {}
    for number, each in keys.items():
        nonce = secrets.token_bytes(NONCE_BYTES)
        wrapped[number] = (nonce + cipher.encrypt(nonce, each, PURPOSE)).hex()
    path = EncryptionKeys.path(settings.home)
    EncryptionKeys(key=fingerprint(key), wrapped=wrapped).write(path)
