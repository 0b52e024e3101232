"""The ``/v1`` operations and the models of an OpenAPI description."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from penchant.api.http import repetition

Schema = dict[str, Any]
PREFIX = "/v1/"
_REFERENCE = "#/components/schemas/"


@dataclass(frozen=True)
class Field:
    """A property of a model or a parameter of an operation. ``place``: path, query or body."""

    name: str
    schema: Schema
    required: bool
    place: str = "body"

    @property
    def description(self) -> str:
        return str(self.schema.get("description", ""))


@dataclass(frozen=True)
class Operation:
    """``body`` and ``response``: names of models."""

    name: str
    method: str
    path: str
    description: str
    fields: tuple[Field, ...]
    body: str | None
    response: str
    repeatable: bool


def operations(described: Schema) -> list[Operation]:
    """Those of ``/v1`` in the order of paths."""
    return [
        _operation(described, path, method, operation)
        for path, methods in sorted(described["paths"].items())
        if path.startswith(PREFIX)
        for method, operation in methods.items()
    ]


def models(described: Schema) -> dict[str, Schema]:
    """The models that the operations use, each after those that it refers to, with requests."""
    schemas, found = described["components"]["schemas"], dict[str, Schema]()

    def add(name: str) -> None:
        if name not in found:
            for other in references(schemas[name]):
                add(other)
            found[name] = schemas[name]

    for operation in operations(described):
        for name in (operation.body, operation.response):
            if name:
                add(name)
    return found


def fields_of(schema: Schema) -> list[Field]:
    """The properties of a model, the required ones first."""
    required = schema.get("required", ())
    found = [
        Field(name, inner, name in required) for name, inner in schema.get("properties", {}).items()
    ]
    return sorted(found, key=lambda field: not field.required)


def values_of(schema: Schema) -> Any:
    """The schema of the values of an object without properties, if it says one."""
    patterns = schema.get("patternProperties", {}).values()
    return next(iter(patterns), schema.get("additionalProperties"))


def reference(schema: Schema) -> str | None:
    """The name of the model that a schema refers to."""
    named = schema.get("$ref")
    return named.removeprefix(_REFERENCE) if named else None


def references(schema: Any) -> Iterator[str]:
    """Names of the models in a schema."""
    if isinstance(schema, list):
        for inner in schema:
            yield from references(inner)
    elif isinstance(schema, dict):
        if named := reference(schema):
            yield named
        for inner in schema.values():
            yield from references(inner)


def _operation(described: Schema, path: str, method: str, operation: Schema) -> Operation:
    fields = [
        Field(each["name"], each["schema"], each.get("required", False), each["in"])
        for each in operation.get("parameters", ())
        if each["in"] in ("path", "query")
    ]
    body = None
    if "requestBody" in operation:
        body = reference(operation["requestBody"]["content"]["application/json"]["schema"])
        assert body is not None  # every body is a model
        fields += fields_of(described["components"]["schemas"][body])
    (success,) = (each for code, each in operation["responses"].items() if code[0] == "2")
    response = reference(success["content"]["application/json"]["schema"])
    assert response is not None  # so is every answer
    return Operation(
        operation["operationId"],
        method.upper(),
        path,
        operation["description"].split("\n\n")[0],
        tuple(sorted(fields, key=lambda field: not field.required)),
        body,
        response,
        operation[repetition.KEY],
    )
