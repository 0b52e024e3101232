"""Feast, imported once and fast; everything of ours that uses Feast imports it from here.

Measured on two cores: a plain ``import feast`` takes 8 to 11 s. Typeguard takes most of it: it
recompiles every decorated class while that is imported, to check arguments that mypy checks anyway.
Torch takes 2 to 4 s, which Feast wants for ``to_tensor`` alone. Without both it takes 2 to 3 s.
Feast 0.67 reports to nobody; the switch its documentation names is set all the same.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import typeguard

if TYPE_CHECKING:
    from feast.infra.online_stores.redis import RedisOnlineStore

_T = TypeVar("_T")


def _unchecked(target: _T) -> _T:
    """Stand in for ``typeguard.typechecked``."""
    return target


@contextmanager
def _light_import() -> Iterator[None]:
    """Meanwhile typeguard checks nothing, and torch is absent unless it was here before."""
    checked = typeguard.typechecked
    hide_torch = "torch" not in sys.modules
    typeguard.typechecked = _unchecked  # type: ignore[assignment]  # one overload of it is enough
    if hide_torch:
        sys.modules["torch"] = None  # type: ignore[assignment]  # how Python spells "no such module"
    try:
        yield
    finally:
        typeguard.typechecked = checked
        if hide_torch:
            del sys.modules["torch"]


os.environ["FEAST_USAGE"] = "False"
with _light_import():
    importlib.import_module("feast")
warnings.filterwarnings(  # ibis, which Feast's DuckDB store is made of, is a version behind DuckDB
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
from feast.infra.registry.sql import SqlRegistry  # noqa: E402
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
    """Feast's own; its client is of the extra `production`, so it is not imported before."""
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
    "FileSource",
    "Float32",
    "Float64",
    "Int32",
    "Int64",
    "LocalMaterializationJob",
    "MaterializationJobStatus",
    "Project",
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
