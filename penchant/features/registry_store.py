"""The registry of a finished repository for Feast's own tools: a file beside it, never written.

``feast apply`` deletes from a writable registry whatever the repository's Python doesn't define.
"""

from penchant.feast_sdk import FileRegistryStore, RegistryProto

REGISTRY_FILE = "registry.pb"
REMEDY = (
    "its views are derived from dbt's manifest: run `penchant materialize`, or use feature_repo"
)


class ReadOnlyRegistryStore(FileRegistryStore):
    """A path that is not absolute is relative to the repository."""

    def update_registry_proto(self, registry_proto: RegistryProto) -> None:
        raise PermissionError(f"the registry of a live repository is read-only; {REMEDY}")

    def teardown(self) -> None:
        raise PermissionError(f"the registry of a live repository is read-only; {REMEDY}")
