"""The generated modules of the package ``penchant_client``, in Python 3.9.

Write them with ``make client``, which formats them.
"""

import sys
from pathlib import Path
from textwrap import fill, indent

from penchant.api.app import openapi_description
from penchant.api.clients.operations import (
    Field,
    Operation,
    Schema,
    fields_of,
    models,
    operations,
    reference,
    references,
    values_of,
)

_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_WIDTH = 90
_HEAD = '''"""{}

Generated from the OpenAPI description by `make client`.
"""

from __future__ import annotations

'''
_TYPING = "from typing import Any, Dict, List, Literal, Mapping, Optional, Sequence, Union\n"


def python_modules(described: Schema) -> dict[str, str]:
    """The text of each generated module by its file name."""
    return {
        "models.py": _models(described),
        "client.py": _client(described, asynchronous=False),
        "async_client.py": _client(described, asynchronous=True),
    }


def type_of(schema: Schema, sequence: str = "List") -> str:
    """The type of a JSON schema, as Python 3.9 reads it. ``sequence``: of arrays."""
    if named := reference(schema):
        return named
    if "anyOf" in schema:
        kinds = [type_of(each, sequence) for each in schema["anyOf"] if each.get("type") != "null"]
        inner = kinds[0] if len(set(kinds)) == 1 else f"Union[{', '.join(kinds)}]"
        return f"Optional[{inner}]" if len(kinds) < len(schema["anyOf"]) else inner
    if "enum" in schema or "const" in schema:
        values = ", ".join(repr(each) for each in schema.get("enum", [schema.get("const")]))
        return f"Literal[{values}]"
    kind = schema.get("type")
    if kind == "array":
        return f"{sequence}[{type_of(schema.get('items', {}), sequence)}]"
    if kind == "object":
        values = values_of(schema)
        inner = type_of(values, sequence) if isinstance(values, dict) else "Any"
        return f"{'Dict' if sequence == 'List' else 'Mapping'}[str, {inner}]"
    if schema.get("format") == "date-time":
        return "datetime"
    return _TYPES.get(str(kind), "Any")


def _models(described: Schema) -> str:
    found = models(described)
    bodies = {each.body for each in operations(described)}
    kept = {name: schema for name, schema in found.items() if name not in bodies}
    text = _HEAD.format("Models of responses, and of the parts of requests.")
    text += "from dataclasses import dataclass\nfrom datetime import datetime\n" + _TYPING
    text += f"\n__all__ = {sorted(kept)!r}\n"
    return text + "".join(_model(name, schema) for name, schema in kept.items())


def _model(name: str, schema: Schema) -> str:
    fields = fields_of(schema)
    notes = [f"{field.name}: {field.description}" for field in fields if field.description]
    documented = "\n\n".join(
        part for part in (schema.get("description", ""), "\n".join(notes)) if part
    )
    lines = [f"    {field.name}: {_attribute(field)}" for field in fields]
    return f"\n\n@dataclass(frozen=True)\nclass {name}:\n{_docstring(documented or name)}\n" + (
        "\n".join(lines) + "\n"
    )


def _attribute(field: Field) -> str:
    kind = type_of(field.schema)
    if field.required:
        return kind
    default = field.schema.get("default")
    if isinstance(default, list | dict):
        default = None
    return f"{_optional(kind) if default is None else kind} = {default!r}"


def _client(described: Schema, asynchronous: bool) -> str:
    found = operations(described)
    prefix = "Async" if asynchronous else ""
    used = {name for each in found for field in each.fields for name in references(field.schema)}
    names = ", ".join(sorted(used | {each.response for each in found}))
    text = _HEAD.format(f"The {'asynchronous' if asynchronous else 'synchronous'} client.")
    text += f"from types import TracebackType\n{_TYPING}from urllib.parse import quote\n"
    text += f"\nimport httpx\n\nfrom penchant_client.models import {names}\n"
    text += f"from penchant_client.transport import {prefix}Transport, Call\n\n\n"
    text += _CLASS.format(
        prefix=prefix,
        waits="async " if asynchronous else "",
        awaits="await " if asynchronous else "",
        enter="__aenter__" if asynchronous else "__enter__",
        exit="__aexit__" if asynchronous else "__exit__",
        base="AsyncBaseTransport" if asynchronous else "BaseTransport",
        safe="" if asynchronous else " Thread-safe.",
    )
    return text + "".join(_method(each, asynchronous) for each in found)


_CLASS = '''class {prefix}Client:
    """A method for each route. They raise ApiError for an error response and Unreachable if the
    server does not answer.{safe}
    """

    def __init__(
        self,
        url: str,
        token: Optional[str] = None,
        timeout_seconds: float = 5.0,
        transport: Optional[httpx.{base}] = None,
    ) -> None:
        self._transport = {prefix}Transport(url, token, timeout_seconds, transport)

    {waits}def {enter}(self) -> {prefix}Client:
        return self

    {waits}def {exit}(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        {awaits}self.close()

    {waits}def close(self) -> None:
        {awaits}self._transport.close()
'''


def _method(operation: Operation, asynchronous: bool) -> str:
    required = [field for field in operation.fields if field.required]
    optional = [field for field in operation.fields if not field.required]
    arguments = [
        "self",
        *(f"{field.name}: {type_of(field.schema, 'Sequence')}" for field in required),
    ]
    arguments += ["*"] if optional else []
    arguments += [f"{field.name}: {_argument(field)}" for field in optional]
    path, call = operation.path, [f"{operation.method!r}"]
    for field in operation.fields:
        if field.place == "path":
            path = path.replace(f"{{{field.name}}}", f"{{quote({field.name}, safe='')}}")
    call += [f"f{path!r}" if path != operation.path else f"{path!r}"]
    call += [operation.response, f"repeatable={operation.repeatable}"]
    for place, name in (("query", "query"), ("body", "body")):
        placed = [field.name for field in operation.fields if field.place == place]
        if placed:
            call.append(f"{name}={{{', '.join(f'{each!r}: {each}' for each in placed)}}}")
    notes = [
        f"{field.name}: {field.description}" for field in operation.fields if field.description
    ]
    text = "\n\n".join(part for part in (operation.description, "\n".join(notes)) if part)
    waits, awaits = ("async ", "await ") if asynchronous else ("", "")
    return (
        f"\n    {waits}def {operation.name}({', '.join(arguments)}) -> {operation.response}:\n"
        f"{indent(_docstring(text), '    ')}\n"
        f"        return {awaits}self._transport.send(Call({', '.join(call)}))\n"
    )


def _argument(field: Field) -> str:
    kind, default = type_of(field.schema, "Sequence"), field.schema.get("default")
    if isinstance(default, list):
        return f"{kind} = ()"
    if default is None or isinstance(default, dict):
        return f"{_optional(kind)} = None"
    return f"{kind} = {default!r}"


def _optional(kind: str) -> str:
    return kind if kind.startswith("Optional[") or kind == "Any" else f"Optional[{kind}]"


def _docstring(text: str) -> str:
    """The text as an indented docstring, each line wrapped."""
    lines = [
        fill(line, _WIDTH, subsequent_indent="  " if ": " in line else "")
        for line in text.replace("``", "`").split("\n")
    ]
    body = "\n".join(lines).strip().replace("\\", "\\\\").replace('"""', "'''")
    closing = '\n"""' if "\n" in body else '"""'
    return indent(f'"""{body}{closing}', "    ")


if __name__ == "__main__":
    for name, text in python_modules(openapi_description()).items():
        (Path(sys.argv[1]) / name).write_text(text)
