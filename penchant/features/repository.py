"""The Feast repository of a materialized snapshot: its configuration, and opening it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from string import Template
from typing import Any

import yaml
from sqlalchemy import Engine, event

from penchant.encryption.home_files import ONLINE_STORE
from penchant.errors import UsageError
from penchant.feast_sdk import FeatureStore, RepoConfig
from penchant.features.registry_store import REGISTRY_FILE, with_relative_paths
from penchant.settings import Settings

TEMPLATE = Path(__file__).with_name("repository.yaml")
READ_ONLY_REGISTRY = "penchant.features.registry_store.ReadOnlyRegistryStore"
REGISTRY = "registry.db"


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
    immutable = "&mode=ro&immutable=1" if read_only else ""
    variables = {
        "FEAST_PROJECT": project_name(snapshot_id),
        "FEAST_REGISTRY": settings.feast_registry
        or f"sqlite:///file:{directory / REGISTRY}?uri=true{immutable}",
        "FEAST_REGISTRY_SCHEMA_MODE": "skip" if read_only else "auto",
        "FEAST_ONLINE_STORE": str(directory / ONLINE_STORE),
        "FEAST_READ_ONLY": str(read_only).lower(),
    }
    config = yaml.load(Template(TEMPLATE.read_text()).substitute(variables), yaml.CSafeLoader)
    if settings.feast_redis:
        config["online_store"] = {"type": "redis", "connection_string": settings.feast_redis}
        config["batch_engine"] = {"type": "local"}  # ColumnarComputeEngine writes to SQLite only
    return config


def write_for_feast(settings: Settings, project: str, directory: Path, store: FeatureStore) -> None:
    """Write ``feature_store.yaml`` and a registry file for Feast's own tools.

    With relative paths: a copied home reads itself.
    """
    config = repository_config(settings, project, directory)
    registry = with_relative_paths(store.registry.proto(), directory.resolve())
    (directory / REGISTRY_FILE).write_bytes(registry.SerializeToString())
    config["registry"] = {
        "registry_type": "file",
        "registry_store_type": READ_ONLY_REGISTRY,
        "path": REGISTRY_FILE,
        "cache_ttl_seconds": 0,
    }
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
    store = FeatureStore(config=config)
    if not read_only and settings.feast_registry is None:
        with _unsynced_sqlite():
            _ = store.registry  # creates the tables
    return store


@contextmanager
def _unsynced_sqlite() -> Iterator[None]:
    """Let SQLAlchemy open SQLite files without a journal on disk and without fsync.

    Feast commits 400 times while it fills a registry. A registry that is being created has no
    readers and is flushed with its folder before that gets its name.
    """

    token = _unsynced.set(True)
    try:
        yield
    finally:
        _unsynced.reset(token)


_unsynced: ContextVar[bool] = ContextVar("unsynced", default=False)


@event.listens_for(Engine, "connect")
def _configure(connection: object, _: object) -> None:
    """Listens from the start: other threads' engines can't connect while a listener is added."""
    if _unsynced.get() and isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")


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
