"""A fast import of Feast. Import Feast from here only.

On two cores ``import feast`` takes 8 to 11 s. Most of it is typeguard, which recompiles each
decorated class to check arguments at run time; torch, which only ``to_tensor`` needs, takes 2 to
4 s. Without both the import takes 2 to 3 s. Feast 0.67 sends no telemetry; the documented switch is
set in case a later version does. Feast's servers, which import uvicorn and requests, are imported
when something starts one.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import typeguard

if TYPE_CHECKING:
    from feast.infra.online_stores.redis import RedisOnlineStore

_T = TypeVar("_T")
SERVERS = ("feast.feature_server", "feast.ui_server")


def _unchecked(target: _T) -> _T:
    """Replacement of ``typeguard.typechecked``."""
    return target


class _LazyServers(MetaPathFinder):
    """Finds Feast's servers as modules that run when they are first used."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = PathFinder.find_spec(fullname, path) if fullname in SERVERS else None
        if found and found.loader:
            found.loader = LazyLoader(found.loader)
        return found


@contextmanager
def _light_import() -> Iterator[None]:
    """Disable typeguard, delay Feast's servers, and hide torch unless it is already imported."""
    checked = typeguard.typechecked
    hide_torch = "torch" not in sys.modules
    lazy = _LazyServers()
    sys.meta_path.insert(0, lazy)
    typeguard.typechecked = _unchecked  # type: ignore[assignment]  # one overload of it is enough
    if hide_torch:
        sys.modules["torch"] = None  # type: ignore[assignment]  # import raises ModuleNotFoundError
    try:
        yield
    finally:
        sys.meta_path.remove(lazy)
        typeguard.typechecked = checked
        if hide_torch:
            del sys.modules["torch"]


os.environ["FEAST_USAGE"] = "False"
with _light_import():
    importlib.import_module("feast")
warnings.filterwarnings(  # ibis, used by Feast's DuckDB offline store, is behind DuckDB
    "ignore", category=DeprecationWarning, module="ibis"
)

from feast import (  # noqa: E402
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    Project,
    RepoConfig,
    ValueType,
)
from feast.feature_server_utils import convert_response_to_dict  # noqa: E402
from feast.infra.common.materialization_job import MaterializationJobStatus  # noqa: E402
from feast.infra.compute_engines.base import ComputeEngine  # noqa: E402
from feast.infra.compute_engines.local.job import LocalMaterializationJob  # noqa: E402
from feast.infra.key_encoding_utils import serialize_entity_key  # noqa: E402
from feast.infra.online_stores.sqlite import (  # noqa: E402
    SqliteOnlineStore,
    SqliteOnlineStoreConfig,
)
from feast.infra.registry.file import FileRegistryStore  # noqa: E402
from feast.infra.registry.sql import SqlRegistry  # noqa: E402
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto  # noqa: E402
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto  # noqa: E402
from feast.protos.feast.types.Value_pb2 import Value as ValueProto  # noqa: E402
from feast.type_map import python_values_to_proto_values  # noqa: E402
from feast.types import (  # noqa: E402
    Array,
    Bool,
    Bytes,
    FeastType,
    Float32,
    Float64,
    Int32,
    Int64,
    String,
    UnixTimestamp,
)


def redis_online_store() -> "RedisOnlineStore":
    """Feast's Redis store; imported on demand, as its client is in the extra `production`."""
    from feast.infra.online_stores.redis import RedisOnlineStore

    return RedisOnlineStore()


__all__ = [
    "Array",
    "Bool",
    "Bytes",
    "ComputeEngine",
    "Entity",
    "EntityKeyProto",
    "FeastType",
    "FeatureService",
    "FeatureStore",
    "FeatureView",
    "Field",
    "FileRegistryStore",
    "FileSource",
    "Float32",
    "Float64",
    "Int32",
    "Int64",
    "LocalMaterializationJob",
    "MaterializationJobStatus",
    "Project",
    "RegistryProto",
    "RepoConfig",
    "SqlRegistry",
    "SqliteOnlineStore",
    "SqliteOnlineStoreConfig",
    "String",
    "UnixTimestamp",
    "ValueProto",
    "ValueType",
    "convert_response_to_dict",
    "python_values_to_proto_values",
    "redis_online_store",
    "serialize_entity_key",
]
