"""Commands, links, code paths and settings that the documentation names exist."""

import re
from html import unescape
from pathlib import Path

import pytest
import typer.main
from mkdocs.commands.build import build
from mkdocs.config import load_config

from penchant.cli import app
from penchant.ingestion.landing.canonical import CONTRACTS
from penchant.ingestion.landing.mapping_file import load
from penchant.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *sorted(DOCS.rglob("*.md"))]
SUBCOMMANDS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
TARGETS = set(re.findall(r"^([a-z-]+)%?:", (ROOT / "Makefile").read_text(), re.MULTILINE))
GENERATED = re.compile(r"(reference/.*|contributing|changelog)\.md$")  # by docs/build/reference.py
CODE_PATH = re.compile(
    r"^(?:penchant|training|dags|dbt|tests|benchmarks|docs|feature_repo)/[\w/.]+$"
)
OTHERS_SETTINGS = {"PENCHANT_READER_PORT", "PENCHANT_READER_HOST"}  # the changelog's old names


def code_of(page: Path) -> str:
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", page.read_text(), re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
class TestPage:
    def test_commands_exist(self, page: Path) -> None:
        if page.name == "CHANGELOG.md":
            pytest.skip("names commands of earlier versions")
        code = code_of(page)
        assert set(re.findall(r"\bpenchant ([a-z][a-z-]+)", code)) <= SUBCOMMANDS
        made = set(re.findall(r"\bmake ([a-z][a-z-]*)", code))
        assert {"bench-" if name.startswith("bench-") else name for name in made} <= TARGETS

    def test_links_have_a_target(self, page: Path) -> None:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            generated = DOCS in page.parents and GENERATED.search(link)
            assert generated or (page.parent / link).exists(), link

    def test_code_paths_exist(self, page: Path) -> None:
        for path in re.findall(r"`([^`\n]+)`", page.read_text()):
            if CODE_PATH.match(path):
                assert (ROOT / path).exists(), path

    def test_settings_exist(self, page: Path) -> None:
        known = {f"PENCHANT_{name.upper()}" for name in Settings.model_fields}
        named = set(re.findall(r"PENCHANT_[A-Z_]+[A-Z]", page.read_text()))
        assert named <= known | OTHERS_SETTINGS


def test_example_mapping_is_valid() -> None:
    tables = load(DOCS / "examples" / "mapping.yml", CONTRACTS)
    assert {mapping.table for mapping in tables} == {"events", "items"}


def test_every_decision_is_listed() -> None:
    listed = (DOCS / "adr" / "README.md").read_text()
    assert [
        page.name for page in sorted((DOCS / "adr").glob("0*.md")) if page.name not in listed
    ] == []


def test_site_builds_without_warnings_or_external_resources(tmp_path: Path) -> None:
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True))
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|link)[^>]+(?:src|href)=\"(https?:[^\"]+)", page.read_text()
        )
        assert loaded == [], page.name


@pytest.mark.parametrize("source", sorted((DOCS / "diagrams").glob("*.dot")), ids=lambda p: p.name)
def test_diagrams_show_their_source(source: Path) -> None:
    drawn = unescape(source.with_suffix(".svg").read_text())
    for label in re.findall(r'label="([^"]+)"', source.read_text()):
        for line in label.split("\\n"):
            assert f">{line.strip()}<" in re.sub(r">\s+", ">", drawn), (
                f"{line}: run dot -Tsvg again"
            )
