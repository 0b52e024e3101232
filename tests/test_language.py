"""Retired words stay retired: `docs/glossary.md` lists them with the word to use."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
FOLDERS = (
    *("penchant", "training", "feature_repo", "dags", "dbt"),
    *("docs", "tests", "benchmarks", "docker"),
)
SUFFIXES = {".py", ".md", ".sql", ".yml", ".yaml", ".html", ".js", ".css", ".toml", ".dot", ".txt"}
WITHOUT = {GLOSSARY, Path(__file__).resolve()}

# (retired words, pattern of "path:line: text", reason)
ALLOWED = (
    (".*", r"^CHANGELOG\.md:", "names what was renamed"),
    (
        "generations?",
        r"synthetic|generation\.(py|md|json)|layers.generation|test_(report_)?generation",
        "of synthetic histories",
    ),
    (
        "generation",
        r"\"(interests\.)?generation\"|generation,|`generation`|generation_section|GenerationMode",
        "the task of that name, and schemathesis's enumeration",
    ),
    ("generation", r"generation_mode=", "schemathesis's argument"),
    ("cells", r"^(?!penchant/releases|benchmarks/serving|docs)", "of tables, matrices, recurrent"),
    ("votes?|voters?", r"tags|user_cf", "of nearest neighbours"),
    ("save for", r"save_for_backward", "PyTorch's name"),
    ("reader port", r"^tests/test_documentation\.py", "names what was renamed"),
)


@cache
def retired() -> dict[str, str]:
    """Retired word to the word to use; an exact identifier keeps its backticks."""
    found = {}
    for line in GLOSSARY.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and cells[2] not in ("", "retired", "---"):
            found |= {word.strip(): cells[0] for word in cells[2].split(",")}
    return found


def pages() -> Iterator[Path]:
    yield from (file for file in ROOT.iterdir() if file.suffix in SUFFIXES)
    yield from (ROOT / name for name in ("Makefile", ".env.example", "docker/Dockerfile"))
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*")):
            skip = {"target", "logs", "out", "__pycache__"} & set(file.relative_to(ROOT).parts)
            if file.suffix in SUFFIXES and not skip and file not in WITHOUT:
                yield file


def split_identifiers(text: str) -> str:
    """Lower-case text with identifiers split into words: `fooBar_baz` becomes `foo bar baz`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).replace("_", " ").lower()


@cache
def patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Of exact identifiers and of words."""
    exact = "|".join(re.escape(word.strip("`")) for word in retired() if word.startswith("`"))
    words = "|".join(
        r"[\s#>*-]+".join(map(re.escape, word.lower().replace("-", " ").split()))
        for word in retired()
        if not word.startswith("`")
    )
    return re.compile(rf"(?<![\w-])({exact})(?![\w-]| [a-z])"), re.compile(rf"\b({words})\b")


def hits(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, retired word and the word to use."""
    exact, words = patterns()
    lower = {re.sub(r"[\s#>*-]+", " ", w.lower()): use for w, use in retired().items()}
    for pattern, body in ((exact, text), (words, split_identifiers(text))):
        for match in pattern.finditer(body):
            word = re.sub(r"[\s#>*-]+", " ", match.group())
            use = retired().get(f"`{word}`") or lower[word]
            yield body.count("\n", 0, match.start()) + 1, word, use


def is_allowed(word: str, place: str) -> bool:
    return any(re.fullmatch(words, word) and re.search(at, place) for words, at, _ in ALLOWED)


def test_retired_words_are_not_used() -> None:
    wrong = []
    for page in pages():
        text = page.read_text()
        lines = text.splitlines()
        for number, word, use in hits(text):
            name = f"{page.relative_to(ROOT)}:{number}"
            if not is_allowed(word, f"{name}: {lines[number - 1]}"):
                wrong.append(f"{name}: '{word}' is retired, use: {use}")
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
