"""Encrypted files for DuckDB: a file system of the scheme ``encrypted://``, with local paths."""

import threading
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from penchant.encryption.duckdb_connection import PREFIX, SCHEME
from penchant.encryption.encrypted_file import (
    EncryptedReader,
    is_encrypted_file,
    open_for_writing,
    plain_size,
    require_home,
)


class EncryptedFileSystem(LocalFileSystem):
    """Local files: encrypted ones are read as their plain bytes, new ones are written encrypted."""

    protocol = SCHEME
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        text = str(path)
        while text.startswith(PREFIX):
            text = text.removeprefix(PREFIX)
        return text

    def unstrip_protocol(self, name: str) -> str:
        return PREFIX + name

    def info(self, path: Any, **kwargs: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().info(path, **kwargs)
        if found["type"] == "file":
            found["size"] = plain_size(Path(found["name"]))
        return found

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        file = Path(path)
        if "w" in mode:
            return open_for_writing(file)
        return _SharedReader(file) if is_encrypted_file(file) else file.open("rb")


class _SharedReader(EncryptedReader):
    """A reader with a position for each thread: DuckDB seeks and reads one file from several."""

    def __init__(self, path: Path) -> None:
        self._local = threading.local()
        super().__init__(path, require_home(path))

    @property
    def _position(self) -> int:
        return getattr(self._local, "position", 0)

    @_position.setter
    def _position(self, value: int) -> None:
        self._local.position = value
