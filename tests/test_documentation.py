"""What the documentation tells a reader to type exists."""

import re
from pathlib import Path

import pytest
import typer.main

from penchant.cli import app
from penchant.ingestion.landing.canonical import CONTRACTS
from penchant.ingestion.landing.mapping import load

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
VERBS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
TARGETS = set(re.findall(r"^([a-z-]+)%?:", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_links_exist(page: Path) -> None:
    text = page.read_text()
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    assert set(re.findall(r"\bpenchant ([a-z][a-z-]+)", code)) <= VERBS
    made = set(re.findall(r"\bmake ([a-z][a-z-]*)", code))
    assert {"bench-" if name.startswith("bench-") else name for name in made} <= TARGETS
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link


def test_the_example_mapping_is_one() -> None:
    tables = load(ROOT / "docs" / "examples" / "mapping.yml", CONTRACTS)
    assert {mapping.table for mapping in tables} == {"events", "items"}
