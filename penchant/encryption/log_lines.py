"""Lines of append-only logs, each encrypted with AES-256-GCM.

A line is ``#``, the number of the data key, ``:`` and base64 of a random salt of 16 bytes and the
ciphertext. Each line has a key of its own, the HMAC-SHA-256 of its salt, so any number of lines and
of processes that append to a log never share a nonce.
"""

import base64
import binascii
import hmac
import re
import secrets
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from penchant.encryption.encrypted_file import read_bytes, require_home
from penchant.encryption.keyring import Keyring, home_of, keyring
from penchant.encryption.store import is_encrypted_store, plain_store
from penchant.errors import DataError
from penchant.home_key import derived

MARK = b"#"
NUMBERED = re.compile(rb"^#(\d+):", re.MULTILINE)
SALT_BYTES = 16
NONCE = bytes(12)  # each key is used once


def encrypted_lines(lines: list[bytes], of: Path) -> list[bytes]:
    """Lines with their end, encrypted if the log ``of`` is in an encrypted home."""
    home = home_of(of)
    if home is None:
        return lines
    known = keyring(home)
    return [_sealed(line, known) for line in lines]


def plain_lines(lines: bytes, of: Path) -> list[bytes]:
    """The lines of the log ``of``, with their ends, each of which may be encrypted.

    Raises DataError for a line that was changed. A partial last line is returned as it is.
    """
    found = lines.splitlines(keepends=True)
    if not any(line.startswith(MARK) for line in found):
        return found
    known = keyring(require_home(of))
    return [
        _opened(line, known, of) if line.startswith(MARK) and line.endswith(b"\n") else line
        for line in found
    ]


def is_newest(lines: bytes, of: Path) -> bool:
    """Whether all lines of the log ``of`` are encrypted with the newest data key."""
    mark = b"#%d:" % keyring(require_home(of)).newest
    return all(line.startswith(mark) for line in lines.splitlines())


def data_keys_of(path: Path) -> set[int]:
    """The numbers of the data keys of a log's lines."""
    return {int(number) for number in NUMBERED.findall(path.read_bytes())}


def read_log(path: Path) -> bytes:
    """The plain bytes of a log."""
    return b"".join(plain_lines(path.read_bytes(), path))


def read_any(path: Path) -> bytes:
    """The plain bytes of a file, log or store, encrypted or not."""
    if path.suffix == ".jsonl":
        return read_log(path)
    return plain_store(path) if is_encrypted_store(path) else read_bytes(path)


def _sealed(line: bytes, known: Keyring) -> bytes:
    salt = secrets.token_bytes(SALT_BYTES)
    number = known.newest
    sealed = salt + _cipher(known.key(number), salt).encrypt(NONCE, line, None)
    return b"#%d:%s\n" % (number, base64.b64encode(sealed))


def _opened(line: bytes, known: Keyring, path: Path) -> bytes:
    try:
        number, _, text = line[1:].partition(b":")
        sealed = base64.b64decode(text, validate=False)
        salt, rest = sealed[:SALT_BYTES], sealed[SALT_BYTES:]
        return _cipher(known.key(int(number)), salt).decrypt(NONCE, rest, None)
    except (ValueError, binascii.Error, InvalidTag):
        raise DataError(
            f"{path}: an encrypted line was changed", "restore the file, or remove the line"
        ) from None


def _cipher(data_key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(hmac.digest(_line_key(data_key), salt, "sha256"))


@lru_cache(maxsize=8)
def _line_key(data_key: bytes) -> bytes:
    return derived(data_key, b"penchant log line")
