"""MkDocs hook: write the reference pages from the code, and add the pages of the repository root.

Nothing that this file writes is committed. Each function returns one page as Markdown.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import typer.main
import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from penchant.api.app import openapi_description
from penchant.cli import app
from penchant.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to the site."""
    pages: dict[str, Callable[[], str]] = {
        "reference/settings.md": settings,
        "reference/cli.md": cli,
        "reference/api.md": api,
        "reference/dbt-models.md": dbt_models,
        "contributing.md": lambda: from_root("CONTRIBUTING.md"),
        "changelog.md": lambda: from_root("CHANGELOG.md"),
    }
    for path, write in pages.items():
        files.append(File.generated(config, path, content=write()))
    return files


def from_root(name: str) -> str:
    """A page of the repository root, with its links to `docs/` made relative to the site."""
    return re.sub(r"\]\(docs/", "](", (ROOT / name).read_text())


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(each) for each in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def settings() -> str:
    rows = [
        [f"`PENCHANT_{name.upper()}`", f"`{_default(field.default)}`", field.description or ""]
        for name, field in Settings.model_fields.items()
    ]
    return (
        "# Settings\n\nEvery setting is an environment variable or a line of `.env`. "
        "`penchant/settings.py` is the one place that reads them.\n\n"
        + table(("variable", "default", "meaning"), rows)
    )


def _default(value: object) -> str:
    return str(value).replace(str(ROOT), ".")


def cli() -> str:
    group = typer.main.get_command(app)
    parts = [
        "# Command line",
        "Each subcommand prints what it did in one line; with `--json` the last line is one JSON "
        "object. Exit status: 0 done, 1 failed (retry), 64 invalid arguments, 65 data rejected (do "
        "not retry), 66 nothing to do.",
        *_commands("penchant", group),
    ]
    return "\n\n".join(parts)


def _commands(prefix: str, group: Any) -> Iterable[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(f"{prefix} {name}", command)
            continue
        yield f"## {prefix} {name}\n\n{command.help}"
        if command.params:
            rows = [
                [f"`{parameter.opts[0]}`", _need(parameter), parameter.help or ""]
                for parameter in command.params
            ]
            yield table(("option", "default", "meaning"), rows)


def _need(parameter: Any) -> str:
    if parameter.required:
        return "required"
    return "" if parameter.default is None else f"`{parameter.default}`"


def api() -> str:
    described = openapi_description()
    parts = [
        "# HTTP API",
        "Generated from the OpenAPI description, which a running server offers at `/openapi.json`, "
        "and as an interactive page at `/docs`.",
    ]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            parts += _operation(method.upper(), path, operation)
    parts.append("## Models")
    for name, schema in described["components"]["schemas"].items():
        fields = schema.get("properties", {}).items()
        rows = [[f"`{field}`", _type(each), each.get("description", "")] for field, each in fields]
        if rows:
            parts += [f"### {name}", schema.get("description", "")]
            parts.append(table(("field", "type", "meaning"), rows))
    return "\n\n".join(part for part in parts if part)


def _operation(method: str, path: str, operation: dict[str, Any]) -> list[str]:
    rows = [
        [
            f"`{each['name']}`",
            _type(each["schema"]),
            "required" if each.get("required") else f"`{each['schema'].get('default', 'null')}`",
            each.get("description", each["schema"].get("description", "")),
        ]
        for each in operation.get("parameters", ())
    ]
    answers = [
        [f"`{status}`", _body(answer), answer["description"]]
        for status, answer in operation["responses"].items()
    ]
    return [
        f"## {method} {path}",
        operation.get("description", operation.get("summary", "")),
        table(("parameter", "type", "default", "meaning"), rows) if rows else "",
        f"Body: {_body(operation['requestBody'])}." if "requestBody" in operation else "",
        table(("status", "body", "meaning"), answers),
    ]


def _body(described: dict[str, Any]) -> str:
    schemas = [each.get("schema", {}) for each in described.get("content", {}).values()]
    return _type(schemas[0]) if schemas else ""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def dbt_models() -> str:
    parts = [
        "# dbt models",
        "Generated from the YAML of each mart. *PII* is the class that the API checks a token for.",
    ]
    for folder in ("core", "features", "training"):
        parts.append(f"## {folder.capitalize()}")
        for file in sorted((ROOT / "dbt" / "models" / "marts" / folder).glob("*.yml")):
            for model in yaml.safe_load(file.read_text()).get("models", ()):
                head = ("column", "type", "PII", "meaning")
                columns = table(head, (_column(each) for each in model["columns"]))
                parts += [f"### {model['name']}", model["description"], columns]
    return "\n\n".join(parts)


def _column(column: dict[str, Any]) -> list[str]:
    pii = column.get("config", {}).get("meta", {}).get("pii", "")
    kind = column.get("data_type", "")
    return [f"`{column['name']}`", f"`{kind}`", pii, column.get("description", "")]
