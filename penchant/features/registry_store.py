"""The registry of a finished repository for Feast's own tools: a file beside it, never written.

``feast apply`` deletes from a writable registry whatever the repository's Python doesn't define.

Paths of files are stored relative to the repository, so that a copied home reads its own files, and
are absolute once read: Feast's DuckDB store resolves others against the working directory.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from penchant.feast_sdk import FileRegistryStore, RegistryProto

REGISTRY_FILE = "registry.pb"
FILE_OPTIONS = "FileOptions"
"""Name of the message with a source's file."""
REMEDY = (
    "its views are derived from dbt's manifest: run `penchant materialize`, or use feature_repo"
)


class ReadOnlyRegistryStore(FileRegistryStore):
    """A path that is not absolute is relative to the repository."""

    def __init__(self, registry_config: Any, repo_path: Path) -> None:
        super().__init__(registry_config, repo_path)
        self._repository = Path(repo_path).resolve()

    def get_registry_proto(self) -> RegistryProto:
        registry = super().get_registry_proto()
        _replace_paths(registry, lambda path: str((self._repository / path).resolve()))
        return registry

    def update_registry_proto(self, registry_proto: RegistryProto) -> None:
        raise PermissionError(f"the registry of a live repository is read-only; {REMEDY}")

    def teardown(self) -> None:
        raise PermissionError(f"the registry of a live repository is read-only; {REMEDY}")


def with_relative_paths(registry: RegistryProto, repository: Path) -> RegistryProto:
    """The registry with the files of its sources relative to the repository."""
    _replace_paths(registry, lambda path: os.path.relpath(path, repository))
    return registry


def _replace_paths(message: Message, replaced: Callable[[str], str]) -> None:
    """In every data source within a message."""
    for each in _messages(message):
        if each.DESCRIPTOR.name == FILE_OPTIONS and each.uri:
            each.uri = replaced(each.uri)


def _messages(message: Message) -> Iterator[Message]:
    """The message and all in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for inner in value if field.is_repeated else (value,):
            yield from _messages(inner)
