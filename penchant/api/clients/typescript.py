"""TypeScript declarations of the models and operations of ``/v1``: types only."""

from collections.abc import Iterable, Iterator
from json import dumps

from penchant.api.clients.operations import (
    Field,
    Operation,
    Schema,
    fields_of,
    models,
    operations,
    reference,
    values_of,
)

_TYPES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def typescript(described: Schema) -> str:
    """A declaration file: an interface for each model, and ``Operations`` by operation id."""
    lines = [f"// {described['info']['title']}'s HTTP API, from its OpenAPI description.", ""]
    for name, schema in models(described).items():
        lines += [
            *_comment(schema.get("description", "")),
            f"export interface {name} {{",
            *_fields(fields_of(schema)),
            "}",
            "",
        ]
    lines += ["export interface Operations {"]
    for operation in operations(described):
        lines += [f"  {line}" for line in _operation(operation)]
    return "\n".join([*lines, "}", ""])


def type_of(schema: Schema) -> str:
    """The TypeScript type of a JSON schema."""
    if named := reference(schema):
        return named
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(type_of(each) for each in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return " | ".join(dumps(each) for each in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind == "array":
        return f"Array<{type_of(schema.get('items', {}))}>"
    if kind == "object":
        inner = values_of(schema)
        return f"Record<string, {type_of(inner) if isinstance(inner, dict) else 'unknown'}>"
    return _TYPES.get(str(kind), "unknown")


def _operation(operation: Operation) -> Iterator[str]:
    yield from _comment(operation.description)
    yield f"{operation.name}: {{"
    yield f"  method: {dumps(operation.method)};"
    yield f"  path: {dumps(operation.path)};"
    for place in ("path", "query"):
        placed = [field for field in operation.fields if field.place == place]
        if placed:
            yield f"  {'parameters' if place == 'path' else place}: {{"
            yield from (f"  {line}" for line in _fields(placed))
            yield "  };"
    if operation.body:
        yield f"  body: {operation.body};"
    yield f"  response: {operation.response};"
    yield "};"


def _fields(fields: Iterable[Field]) -> Iterator[str]:
    for field in fields:
        yield from (f"  {line}" for line in _comment(field.description))
        yield f"  {field.name}{'' if field.required else '?'}: {type_of(field.schema)};"


def _comment(text: str) -> list[str]:
    words = " ".join(text.split()).replace("*/", "* /")  # which would end it
    return [f"/** {words} */"] if words else []
