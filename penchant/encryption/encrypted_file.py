"""Encrypted files: AES-256-GCM in chunks, readable at any position.

A file is a header of 64 bytes and chunks of 64 KiB with a tag of 16 bytes each. The header has the
number of the data key and a random salt of 32 bytes; the file's own key is derived from both
(HKDF-SHA-256), so no two files share one. The nonce of a chunk is its number and whether it is the
last, so chunks can't be exchanged and a truncated file isn't read as a whole one (the STREAM
construction: Hoang et al. 2015, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", section 5).

Reading accepts plain files too: a home that is being encrypted has both.
"""

import hashlib
import io
import os
import secrets
import shutil
from pathlib import Path
from typing import Any, BinaryIO, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from penchant.encryption.keyring import home_of, keyring
from penchant.errors import DataError
from penchant.storage import replacing

MAGIC = b"PENCHANT AES-GCM"
SALT_BYTES = 32
HEADER_BYTES = 64
CHUNK_BYTES = 1 << 16
TAG_BYTES = 16
SEALED_BYTES = CHUNK_BYTES + TAG_BYTES
CHANGED = "the encrypted file was changed or truncated"
REMEDY = "restore the file from a backup, or remove it and run the stage that wrote it"


class EncryptedReader(io.RawIOBase):
    """The plain bytes of an encrypted file.

    Raises DataError for another key, and for bytes that were changed or are missing.
    """

    def __init__(self, path: Path, home: Path) -> None:
        self._path, self._file = path, path.open("rb", buffering=0)
        self._header = self._file.read(HEADER_BYTES)
        number, salt = _parsed(self._header, path)
        self._cipher = _cipher(keyring(home).key(number), salt)
        sealed = os.fstat(self._file.fileno()).st_size - HEADER_BYTES
        self._chunks = max(1, -(-sealed // SEALED_BYTES))
        self.size = max(0, sealed - TAG_BYTES * self._chunks)
        self._position = 0
        if sealed - (self._chunks - 1) * SEALED_BYTES <= TAG_BYTES * (self._chunks > 1):
            raise DataError(f"{path}: {CHANGED}", REMEDY)  # only an empty file ends so

    def read_at(self, position: int, count: int) -> bytes:
        """At most ``count`` bytes at a position. Safe to call from several threads."""
        count = min(count, self.size - position)
        if count <= 0:
            if self.size == 0:
                self._opened(0, 0)  # or a truncated file would be an empty one
            return b""
        first, last = position // CHUNK_BYTES, (position + count - 1) // CHUNK_BYTES
        start = position - first * CHUNK_BYTES
        return self._opened(first, last)[start : start + count]

    def _opened(self, first: int, last: int) -> bytes:
        length = (last - first + 1) * SEALED_BYTES
        sealed = os.pread(self._file.fileno(), length, HEADER_BYTES + first * SEALED_BYTES)
        try:
            return b"".join(
                self._cipher.decrypt(
                    _nonce(first + at, first + at == self._chunks - 1),
                    sealed[at * SEALED_BYTES : (at + 1) * SEALED_BYTES],
                    self._header,
                )
                for at in range(last - first + 1)
            )
        except (InvalidTag, ValueError):
            raise DataError(f"{self._path}: {CHANGED}", REMEDY) from None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self.size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        position = self.tell()
        count = self.size - position if size is None or size < 0 else size
        found = self.read_at(position, count)
        self.seek(position + len(found))
        return found

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self._file.close()
        super().close()


class EncryptedWriter(io.RawIOBase):
    """Writes an encrypted file from start to end; it is complete once it is closed."""

    def __init__(self, path: Path, home: Path) -> None:
        keys, salt = keyring(home), secrets.token_bytes(SALT_BYTES)
        header = MAGIC + keys.newest.to_bytes(4, "big") + salt
        self._header = header.ljust(HEADER_BYTES, b"\0")
        self._cipher = _cipher(keys.key(keys.newest), salt)
        self._pending, self._chunks, self._written = bytearray(), 0, 0
        self._file = path.open("wb")
        self._file.write(self._header)

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        added = memoryview(data).cast("B")
        self._pending += added
        self._written += len(added)
        while len(self._pending) > CHUNK_BYTES:
            self._seal(bytes(self._pending[:CHUNK_BYTES]), last=False)
            del self._pending[:CHUNK_BYTES]
        return len(added)

    def close(self) -> None:
        if not self.closed:
            try:
                self._seal(bytes(self._pending), last=True)
            finally:
                self._file.close()
                super().close()

    def abandon(self) -> None:
        """Close without the last chunk, so that what was written is no readable file."""
        if not self.closed:
            if hasattr(self, "_file"):  # else it could not be opened
                self._file.close()
            super().close()

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self.close()
        else:
            self.abandon()

    def __del__(self) -> None:
        self.abandon()

    def _seal(self, chunk: bytes, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._chunks, last), chunk, self._header))
        self._chunks += 1


def is_encrypted_file(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def open_for_reading(path: Path) -> io.BufferedReader:
    """The plain bytes of a file, whether it is encrypted or not."""
    if not is_encrypted_file(path):
        return path.open("rb")
    return cast(io.BufferedReader, EncryptedReader(path, require_home(path)))


def open_for_writing(path: Path) -> BinaryIO:
    """A new file, encrypted if it is in an encrypted home. Use it as a context."""
    home = home_of(path)
    return path.open("wb") if home is None else cast(BinaryIO, EncryptedWriter(path, home))


def read_bytes(path: Path) -> bytes:
    with open_for_reading(path) as file:
        return file.read()


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's plain bytes: the same for every data key."""
    with open_for_reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: Path, content: bytes) -> None:
    with open_for_writing(path) as file:
        file.write(content)


def copy_plain(source: Path, target: Path) -> None:
    """Copy a file's plain bytes to a file that isn't encrypted."""
    with open_for_reading(source) as file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy, CHUNK_BYTES * 16)


def encrypt_in_place(path: Path) -> bool:
    """Replace a file of an encrypted home by one of the newest data key; False if it is one.

    A kill leaves the old file or the new. Readers that have the old one open go on.
    """
    home = require_home(path)
    if data_key_of(path) == keyring(home).newest:
        return False
    with (
        replacing(path) as staging,
        open_for_reading(path) as file,
        EncryptedWriter(staging, home) as writer,
    ):
        shutil.copyfileobj(file, cast(BinaryIO, writer), CHUNK_BYTES * 16)
    return True


def protect(path: Path) -> None:
    """Encrypt a file that was written plain, if it is in an encrypted home."""
    if home_of(path) is not None:
        encrypt_in_place(path)


def protect_files(folder: Path, endings: tuple[str, ...]) -> None:
    """``protect`` the files below a folder whose names end so."""
    if home_of(folder) is not None:
        for file in folder.rglob("*"):
            if file.is_file() and file.name.endswith(endings):
                encrypt_in_place(file)


def data_key_of(path: Path) -> int | None:
    """The number of a file's data key; None for a plain file."""
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    return _parsed(header, path)[0] if header.startswith(MAGIC) else None


def plain_size(path: Path) -> int:
    """Number of plain bytes."""
    size = path.stat().st_size
    if not is_encrypted_file(path):
        return size
    sealed = size - HEADER_BYTES
    return max(0, sealed - TAG_BYTES * max(1, -(-sealed // SEALED_BYTES)))


def require_home(path: Path) -> Path:
    """The encrypted home of an encrypted file. Raises DataError outside of one."""
    home = home_of(path)
    if home is None:
        raise DataError(
            f"{path} is encrypted, but no folder above it has privacy/encryption.json",
            "read it in its home; restore privacy/encryption.json there if it is lost",
        )
    return home


def _parsed(header: bytes, path: Path) -> tuple[int, bytes]:
    """The number of the data key, and the salt."""
    if len(header) < HEADER_BYTES:
        raise DataError(f"{path}: {CHANGED}", REMEDY)
    at = len(MAGIC)
    return int.from_bytes(header[at : at + 4], "big"), header[at + 4 : at + 4 + SALT_BYTES]


def _cipher(data_key: bytes, salt: bytes) -> AESGCM:
    derived = HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"penchant file").derive(data_key)
    return AESGCM(derived)


def _nonce(chunk: int, last: bool) -> bytes:
    return chunk.to_bytes(11, "big") + bytes([last])
