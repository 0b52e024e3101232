"""The registry of a repository: a file in it that is never written again once it is finished.

``feast apply`` deletes from a writable registry whatever the repository's Python doesn't define.

Paths of files are stored relative to the repository, so that a copied home reads its own files, and
are absolute once read: Feast's DuckDB store resolves others against the working directory.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from google.protobuf.message import Message

from penchant.feast_sdk import FileRegistryStore, RegistryProto

REGISTRY_FILE = "registry.pb"
FILE_OPTIONS = "FileOptions"
"""Name of the message with a source's file."""
REMEDY = (
    "its views are derived from dbt's manifest: run `penchant materialize`, or use feature_repo"
)


class NewRegistryStore(FileRegistryStore):
    """The registry of a repository that is being written. Feast's own would make the repository's
    folder anew where another publisher has swept it, and the rest would be written there."""

    def _write_registry(self, registry_proto: RegistryProto) -> None:
        registry_proto.version_id = str(uuid.uuid4())
        registry_proto.last_updated.GetCurrentTime()
        self._filepath.write_bytes(registry_proto.SerializeToString())


class ReadOnlyRegistryStore(FileRegistryStore):
    """Paths in the registry that are not absolute are relative to its folder."""

    def get_registry_proto(self) -> RegistryProto:
        registry = super().get_registry_proto()
        repository = self._filepath.parent.resolve()
        _replace_paths(registry, lambda path: str((repository / path).resolve()))
        return registry

    def update_registry_proto(self, registry_proto: RegistryProto) -> None:
        raise PermissionError(f"the registry of a live repository is read-only; {REMEDY}")

    def teardown(self) -> None:
        raise PermissionError(f"the registry of a live repository is read-only; {REMEDY}")


def with_relative_paths(registry: RegistryProto, repository: Path) -> RegistryProto:
    """A copy of the registry with the files of its sources relative to the repository.

    Without the earlier versions of its views, whose paths Feast keeps in bytes.
    """
    copy = RegistryProto()
    copy.CopyFrom(registry)
    copy.ClearField("feature_view_version_history")
    _replace_paths(copy, lambda path: os.path.relpath(path, repository))
    return copy


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
