"""The files of the dbt project: what they say, and whether they were edited.

What they say determines the marts, so it is part of a snapshot's id. Comments, formatting,
descriptions and unit tests change no mart: an edit of them builds nothing again, and
retrains nothing. An edit of unit tests runs them.
"""

import hashlib
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PROJECT_FILES = {".sql", ".yml", ".csv"}
WRITTEN = {"target", "logs", "dbt_packages"}  # by dbt
NOT_CONTENT = {
    *("unit_tests", "description", "exposures", "semantic_models", "metrics", "groups"),
    *("+group", "+access", "+tags", "freshness", "loaded_at_query"),
}
# a quoted text is kept as it is; comments of Jinja and SQL are dropped; blanks are one blank
PARTS = re.compile(
    r"(?P<text>'(?:[^']|'')*'|\"[^\"]*\")|(?:\s|\{#.*?#\}|--[^\n]*|/\*.*?\*/)+", re.DOTALL
)


def project_files(project: Path) -> list[Path]:
    """Models, macros and settings; nothing that dbt writes."""
    return sorted(
        file
        for file in project.rglob("*")
        if file.suffix in PROJECT_FILES and file.relative_to(project).parts[0] not in WRITTEN
    )


def content_version(project: Path) -> str:
    """Hash of what determines the marts."""
    return _digest(project, said)


def edit_version(project: Path) -> str:
    """Hash of every byte: changes with each edit."""
    return _digest(project, Path.read_bytes)


def said(file: Path) -> bytes:
    """What a file says about the marts."""
    return _said(file.suffix, file.read_text())


@cache  # a build asks several times
def _said(suffix: str, text: str) -> bytes:
    if suffix == ".sql":
        return said_sql(text).encode()
    if suffix == ".yml":
        return json.dumps(_without(yaml.load(text, yaml.CSafeLoader)), default=str).encode()
    return text.encode()


def said_sql(text: str) -> str:
    """SQL without comments and formatting."""
    return PARTS.sub(_kept, text).strip()


def _kept(match: re.Match[str]) -> str:
    return match.group("text") or " "


def _without(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without(value) for key, value in node.items() if key not in NOT_CONTENT}
    return [_without(value) for value in node] if isinstance(node, list) else node


def _digest(project: Path, content: Callable[[Path], bytes]) -> str:
    digest = hashlib.sha256()
    for file in project_files(project):
        digest.update(f"{file.relative_to(project)}\n".encode())
        digest.update(hashlib.sha256(content(file)).digest())
    return digest.hexdigest()
