"""The marts as dbt's ``manifest.json`` describes them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penchant.errors import DataError

PII_CLASSES = ("none", "quasi", "direct")
"""PII classes, least personal first. A column without ``pii`` in its YAML is ``none``."""

COLUMN_META = frozenset(
    {"above", "aligned_with", "half_life_days", "max", "min", "online", "pii", "wall_clock"}
)
"""The meta keys that something reads; any other is a mistake that would have no effect."""

FEATURE_VIEW_META = frozenset(
    {"entities", "online", "retired", "services", "timestamp", "ttl_days"}
)


@dataclass(frozen=True)
class Column:
    """A mart's column; ``type`` is DuckDB's, in upper case, such as ``BIGINT`` or ``VARCHAR[]``."""

    name: str
    type: str
    description: str
    nullable: bool
    meta: dict[str, Any]

    @property
    def pii(self) -> str:
        """One of PII_CLASSES. Raises DataError for an unknown class."""
        named: str = self.meta.get("pii", PII_CLASSES[0])
        if named not in PII_CLASSES:
            raise DataError(
                f"column {self.name}: unknown pii class {named!r}",
                f"use one of {', '.join(PII_CLASSES)} in the YAML of its mart",
            )
        return named


@dataclass(frozen=True)
class Relationship:
    """A foreign key: each non-null ``column`` is in ``to_column`` of mart ``to_mart``."""

    column: str
    to_mart: str
    to_column: str


@dataclass(frozen=True)
class Mart:
    """A model under ``models/marts``; ``folder`` is core, features, insights or training.

    ``kept_by``: the column that decides which rows builds keep, see dbt/macros/kept.sql.
    """

    name: str
    folder: str
    description: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    relationships: tuple[Relationship, ...]
    accepted_values: dict[str, tuple[str, ...]]
    meta: dict[str, Any]
    kept_by: str | None = None

    @property
    def has_features(self) -> bool:
        """Whether it describes entities at feature times: computed, or predicted."""
        return self.folder in ("features", "insights")

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True)
class Exposure:
    """What reads ``marts``. ``families``: of models that are trained on them."""

    name: str
    marts: tuple[str, ...]
    families: tuple[str, ...]

    @property
    def is_service(self) -> bool:
        """Whether it is a feature service."""
        return self.name.startswith("feature_service_")


def read_exposures(manifest_json: Path) -> tuple[Exposure, ...]:
    """All exposures, sorted by name."""
    exposures = json.loads(manifest_json.read_text())["exposures"].values()
    return tuple(
        Exposure(
            name=each["name"],
            marts=tuple(model.rpartition(".")[2] for model in each["depends_on"]["nodes"]),
            families=tuple(each["config"]["meta"].get("families", ())),
        )
        for each in sorted(exposures, key=lambda each: str(each["name"]))
    )


def read_marts(manifest_json: Path) -> tuple[Mart, ...]:
    """All enabled marts, sorted by name."""
    manifest = json.loads(manifest_json.read_text())
    nodes = manifest["nodes"]
    tests = [node for node in nodes.values() if node["resource_type"] == "test"]
    marts = [
        _mart(node, [test for test in tests if test.get("attached_node") == node["unique_id"]])
        for node in nodes.values()
        if node["resource_type"] == "model" and node["fqn"][1] == "marts"
    ]
    return tuple(sorted(marts, key=lambda mart: mart.name))


def _mart(node: dict[str, Any], tests: list[dict[str, Any]]) -> Mart:
    generic = [test for test in tests if test.get("test_metadata")]
    feature_view = node["config"]["meta"].get("feature_view", {})
    _check_keys(f"mart {node['name']}, feature_view", feature_view, FEATURE_VIEW_META)
    return Mart(
        name=node["name"],
        folder=node["fqn"][2],
        description=node["description"],
        columns=tuple(_column(node["name"], column) for column in node["columns"].values()),
        primary_key=next(
            tuple(constraint["columns"])
            for constraint in node["constraints"]
            if constraint["type"] == "primary_key"
        ),
        relationships=tuple(
            _relationship(test)
            for test in generic
            if test["test_metadata"]["name"] == "relationships"
        ),
        accepted_values={
            test["column_name"]: tuple(test["test_metadata"]["kwargs"]["values"])
            for test in generic
            if test["test_metadata"]["name"] == "accepted_values"
        },
        meta=node["config"]["meta"],
        kept_by=(node["config"].get("kept") or {}).get("by"),
    )


def _column(mart: str, column: dict[str, Any]) -> Column:
    meta = column["config"]["meta"] or column["meta"]
    _check_keys(f"mart {mart}, column {column['name']}", meta, COLUMN_META)
    return Column(
        name=column["name"],
        type=column["data_type"].upper(),
        description=column["description"],
        nullable=not any(constraint["type"] == "not_null" for constraint in column["constraints"]),
        meta=meta,
    )


def _check_keys(where: str, meta: dict[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(meta.keys() - known)
    if unknown:
        raise DataError(
            f"{where}: unknown meta key {unknown[0]!r}",
            f"use one of {', '.join(sorted(known))} in the YAML of the mart",
        )


def _relationship(test: dict[str, Any]) -> Relationship:
    kwargs = test["test_metadata"]["kwargs"]
    to_mart = kwargs["to"].split("'")[1]  # "ref('items')"
    return Relationship(test["column_name"], to_mart, kwargs["field"])
