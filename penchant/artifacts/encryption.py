"""The data keys of an encrypted home, each encrypted with the home's key."""

from pathlib import Path

from penchant.artifacts.record import Record


class EncryptionKeys(Record):
    """``privacy/encryption.json``; a home with this file is encrypted.

    ``key``: fingerprint of the home's key. ``wrapped``: number of a data key -> its nonce and
    AES-256-GCM ciphertext, in hex. Files are written with the one of the highest number.
    """

    REMEDY = "restore the file from a backup: without it the home's files can't be decrypted"

    key: str
    wrapped: dict[int, str]

    @staticmethod
    def path(home: Path) -> Path:
        return home / "privacy" / "encryption.json"
