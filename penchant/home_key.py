"""The home's key: pseudonyms, the vault, signatures and the data keys depend on it.

It comes from ``PENCHANT_KEY``, ``PENCHANT_KEY_FILE`` or the output of ``PENCHANT_KEY_COMMAND``, so
that any key management service can hold it; without these settings from ``privacy/key`` in the
home, which is made at first use.
"""

import secrets
import shlex
import subprocess
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from penchant.artifacts import EncryptionKeys, LedgerEntry, PseudonymState, SubjectRequest
from penchant.errors import DataError, UsageError
from penchant.settings import Settings
from penchant.storage import sync

KEY_BYTES = 32
COMMAND_SECONDS = 30


def home_key(settings: Settings) -> bytes:
    """The key, 32 bytes; made if the home has none and holds nothing that was made with one.

    Raises DataError for a lost or damaged key, UsageError for a setting that gives none.
    """
    given = _given(settings)
    return _in_home(settings) if given is None else given


def where_from(settings: Settings) -> str:
    """What gives the key: a setting or a file."""
    named = {
        "PENCHANT_KEY": bool(settings.key),
        "PENCHANT_KEY_FILE": bool(settings.key_file),
        "PENCHANT_KEY_COMMAND": bool(settings.key_command),
    }
    return next((name for name, given in named.items() if given), str(settings.privacy / "key"))


def vault_path(settings: Settings) -> Path:
    """The vault, whose entries are encrypted with a key derived from the home's."""
    return settings.privacy / "vault.db"


def derived(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose: HKDF-SHA-256 (RFC 5869) of the home's key, 32 bytes."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)


def fingerprint(key: bytes) -> str:
    """What identifies a key without disclosing it, 16 hex digits."""
    return derived(key, b"penchant key fingerprint")[:8].hex()


def _given(settings: Settings) -> bytes | None:
    given = [each for each in (settings.key, settings.key_file, settings.key_command) if each]
    if len(given) > 1:
        raise UsageError(
            "PENCHANT_KEY, PENCHANT_KEY_FILE and PENCHANT_KEY_COMMAND: more than one is set",
            "set one of them",
        )
    if settings.key:
        return _decoded(settings.key.get_secret_value(), "PENCHANT_KEY")
    if settings.key_file:
        try:
            return _decoded(settings.key_file.read_text(), f"PENCHANT_KEY_FILE {settings.key_file}")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"PENCHANT_KEY_FILE {settings.key_file}: {error}", "point it at the key's file"
            ) from None
    return _printed(settings.key_command) if settings.key_command else None


@lru_cache(maxsize=4)
def _printed(command: str) -> bytes:
    """The key that a command prints. Asked once a process."""
    try:
        done = subprocess.run(
            shlex.split(command), capture_output=True, text=True, timeout=COMMAND_SECONDS
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"PENCHANT_KEY_COMMAND {command!r}: {error}", "give a command that prints the key"
        ) from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise UsageError(
            f"PENCHANT_KEY_COMMAND {command!r} exited with status {done.returncode}: {last[0]}",
            "give a command that prints the key",
        )
    return _decoded(done.stdout, f"PENCHANT_KEY_COMMAND {command!r}")


def _decoded(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise UsageError(
            f"{where}: must be {2 * KEY_BYTES} hex digits, got {len(text.strip())} characters",
            "`openssl rand -hex 32` makes a key; for an existing home, restore the key it had",
        )
    return key


def _in_home(settings: Settings) -> bytes:
    path = settings.privacy / "key"
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        made = _made_with_a_key(settings)
        if made is not None and not path.exists():  # else another process just made both
            raise DataError(
                f"{path} is missing, but {made} was made with it",
                "restore the key from a backup, or set PENCHANT_KEY_FILE: people are recognized "
                "by it",
            ) from None
        return _made(settings.privacy)
    if len(key) != KEY_BYTES:
        raise DataError(
            f"{path}: must be {KEY_BYTES} bytes, got {len(key)}", "restore it from a backup"
        )
    return key


def _made_with_a_key(settings: Settings) -> Path | None:
    """A file that a key was needed for, if there is one."""
    state = PseudonymState.path(settings)
    if state.exists() and PseudonymState.read(state).state != "off":
        return state
    for made in (vault_path(settings), EncryptionKeys.path(settings.home)):
        if made.exists():
            return made
    sealed = LedgerEntry.folder(settings, "*").parent.glob("*/*.json")
    requests = SubjectRequest.folder(settings).glob("*.json")
    return next(chain(requests, sealed), None)


def _made(folder: Path) -> bytes:
    """A new key, or that of a process which was faster."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, staging = folder / "key", folder / f".staging-key-{secrets.token_hex(8)}"
    staging.touch(mode=0o600)
    staging.write_bytes(secrets.token_bytes(KEY_BYTES))
    sync(staging)
    with suppress(FileExistsError):
        path.hardlink_to(staging)
    staging.unlink()
    sync(folder)
    return path.read_bytes()
