"""The Feast repository of a materialized snapshot: its configuration, and opening it."""

from pathlib import Path
from string import Template
from typing import Any

import yaml

from penchant.encryption.home_files import ONLINE_STORE
from penchant.errors import UsageError
from penchant.feast_sdk import FeatureStore, RepoConfig
from penchant.features.registry_store import REGISTRY_FILE, with_relative_paths
from penchant.settings import Settings

TEMPLATE = Path(__file__).with_name("repository.yaml")
NEW_REGISTRY = "penchant.features.registry_store.NewRegistryStore"
READ_ONLY_REGISTRY = "penchant.features.registry_store.ReadOnlyRegistryStore"


def project_name(snapshot_id: str) -> str:
    """The Feast project of a snapshot, which separates snapshots in shared stores."""
    return f"penchant_{snapshot_id.replace('-', '_')}"


def repository_path(settings: Settings, snapshot_id: str) -> Path:
    """The directory of a snapshot's repository."""
    return settings.online / snapshot_id


def repository_config(
    settings: Settings, snapshot_id: str, directory: Path, read_only: bool = True
) -> dict[str, Any]:
    """The configuration of the repository in ``directory``.

    ``PENCHANT_FEAST_REGISTRY`` and ``PENCHANT_FEAST_REDIS`` replace the two files by a shared
    registry and a shared online store. A repository is writable only while it is being created.
    """
    directory = directory.resolve()
    variables = {
        "FEAST_PROJECT": project_name(snapshot_id),
        "FEAST_ONLINE_STORE": str(directory / ONLINE_STORE),
        "FEAST_READ_ONLY": str(read_only).lower(),
    }
    config = yaml.load(Template(TEMPLATE.read_text()).substitute(variables), yaml.CSafeLoader)
    config["registry"] = _registry(settings, directory, read_only)
    if settings.feast_redis:
        config["online_store"] = {"type": "redis", "connection_string": settings.feast_redis}
        config["batch_engine"] = {"type": "local"}  # ColumnarComputeEngine writes to SQLite only
    return config


def _registry(settings: Settings, directory: Path, read_only: bool) -> dict[str, Any]:
    """A file, which Feast fills in a hundredth of the time that it takes for a database."""
    never_expires = {"cache_ttl_seconds": 0}  # a finished repository does not change
    if settings.feast_registry:
        mode = {"schema_mode": "skip" if read_only else "auto"}
        return {"registry_type": "sql", "path": settings.feast_registry} | never_expires | mode
    store = READ_ONLY_REGISTRY if read_only else NEW_REGISTRY
    file = {"registry_type": "file", "path": str(directory / REGISTRY_FILE)}
    return file | never_expires | {"registry_store_type": store}


def write_for_feast(settings: Settings, project: str, directory: Path, store: FeatureStore) -> None:
    """Write ``feature_store.yaml`` and the registry file as Feast's own tools read them.

    With relative paths: a copied home reads itself.
    """
    embedded = settings.model_copy(update={"feast_registry": None})
    config = repository_config(embedded, project, directory)
    registry = with_relative_paths(store.registry.proto(), directory.resolve())
    (directory / REGISTRY_FILE).write_bytes(registry.SerializeToString())
    config["registry"]["path"] = REGISTRY_FILE
    if config["online_store"].get("path"):
        config["online_store"]["path"] = ONLINE_STORE
    (directory / "feature_store.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def open_store(
    settings: Settings, snapshot_id: str, directory: Path, read_only: bool = True
) -> FeatureStore:
    """Open the repository in ``directory``."""
    if read_only:
        require_configured_store(settings, directory)
    config = RepoConfig(**repository_config(settings, snapshot_id, directory, read_only))
    config.repo_path = directory
    return FeatureStore(config=config)


def require_configured_store(settings: Settings, directory: Path) -> None:
    """Raise UsageError unless the repository is in the kind of store that the settings name.

    Reads from the other kind would find no entity and return nulls.
    """
    in_file = (directory / ONLINE_STORE).is_file()
    if in_file == (settings.feast_redis is None):
        return
    stored, configured = ("a SQLite file", "Redis") if in_file else ("Redis", "files")
    raise UsageError(
        f"features of {directory.name} are in {stored}, but PENCHANT_FEAST_REDIS says {configured}",
        f"restore the setting, or remove {directory} and materialize or publish again",
    )


def open_features(settings: Settings, snapshot_id: str) -> FeatureStore:
    """Open a snapshot's features for reading. Raises UsageError when it was not materialized."""
    directory = repository_path(settings, snapshot_id)
    if not directory.is_dir():
        raise UsageError(
            f"snapshot {snapshot_id} has no features online",
            f"run `penchant materialize --snapshot {snapshot_id}`",
        )
    return open_store(settings, snapshot_id, directory)
