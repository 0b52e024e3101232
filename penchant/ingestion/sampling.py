"""The first rows of a shop's file, and how the file is written: delimiter, encoding, header."""

import gzip
import io
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from penchant.errors import UsageError
from penchant.ingestion.landing.mapping import MICROSECONDS_IN
from penchant.ingestion.landing.reading import (
    ENDINGS,
    TextForm,
    Unreadable,
    ending_of,
    literal,
    read,
)
from penchant.ingestion.synonyms import EVENT_TYPES

ROWS = 10_000
HEAD = 1 << 20  # bytes of a text file
DELIMITERS = ",;\t|"
DIGITS = {"epoch_seconds": 10, "epoch_milliseconds": 13, "epoch_microseconds": 16}
NUMBERS = {  # (decimal, thousands) → numbers so written
    (".", ""): r"-?\d*\.?\d+([eE][+-]?\d+)?",
    (".", ","): r"-?\d{1,3}(,\d{3})+(\.\d+)?|-?\d+(\.\d+)?",
    (",", "."): r"-?\d{1,3}(\.\d{3})*(,\d+)?|-?\d+(,\d+)?",
}


@dataclass(frozen=True)
class Sample:
    """``columns`` of the file; ``rows`` as texts, None for null; ``form``: keys of a mapping that
    say how the file is written, with ``doubts`` about them."""

    columns: tuple[str, ...]
    rows: list[tuple[str | None, ...]]
    form: dict[str, Any] = field(default_factory=dict)
    doubts: dict[str, str] = field(default_factory=dict)

    def values(self, column: str) -> list[str]:
        """The different values of a column, the most frequent first."""
        place = self.columns.index(column)
        counted = Counter(row[place] for row in self.rows if row[place])
        return [value for value, _ in counted.most_common() if value is not None]

    def first(self, column: str) -> str | None:
        """A value of a column."""
        return next(iter(self.values(column)), None)

    def is_unique(self, columns: Sequence[str]) -> bool:
        """Whether no two rows have the same values in these columns."""
        places = [self.columns.index(column) for column in columns]
        keys = {tuple(row[place] for place in places) for row in self.rows}
        return len(keys) == len(self.rows)

    def reads_times(self, column: str, name: str) -> bool:
        """Whether a format of ``TIME_FORMATS`` reads every value of a column."""
        values = self.values(column)
        if name in MICROSECONDS_IN:
            pattern = re.compile(rf"\d{{{DIGITS[name]}}}(\.\d+)?")
            return bool(values) and all(pattern.fullmatch(value) for value in values)
        if name == "ISO 8601":
            return bool(values) and all(_is_iso(value) for value in values[:100])
        return bool(values) and all(_fits(value, name) for value in values)

    def number_marks(self, column: str) -> tuple[str, str] | None:
        """Characters of decimals and of thousands; None where values are no numbers."""
        values = self.values(column)
        for marks, pattern in NUMBERS.items():
            if all(re.fullmatch(pattern, value.strip()) for value in values):
                return marks
        return None


def sample(file: Path) -> Sample:
    """Read the first rows. Raises UsageError when the file can't be read."""
    with tempfile.TemporaryDirectory(prefix="penchant-suggest-") as scratch:
        form: dict[str, Any] = {}
        doubts: dict[str, str] = {}
        copy = _copy(file, Path(scratch), form, doubts)
        text_form = TextForm(form.get("delimiter"), tuple(form.get("header", ())))
        try:
            with duckdb.connect() as connection:
                reading = read(connection, copy, text_form)
                columns = ", ".join(
                    f"CAST({given.sql} AS VARCHAR)" for given in reading.columns.values()
                )
                rows = connection.execute(
                    f"SELECT {columns} FROM {reading.relation} LIMIT {ROWS}"
                ).fetchall()
        except (Unreadable, duckdb.Error) as error:
            raise UsageError(f"{file}: {error}", "correct the file") from error
    return Sample(tuple(reading.columns), rows, form, doubts)


def _copy(file: Path, scratch: Path, form: dict[str, Any], doubts: dict[str, str]) -> Path:
    """The file, or of a text file its beginning in UTF-8, and how it is written."""
    kind = ENDINGS[ending_of(file.name) or ""]
    if kind == "parquet":
        return file
    if kind not in ("csv", "jsonl"):
        return Path(shutil.copyfile(file, scratch / file.name))
    text = _decoded(file, form, doubts)
    copy = scratch / f"head.{'jsonl' if kind == 'jsonl' else 'csv'}"
    copy.write_text(text, encoding="utf-8", newline="")
    if kind == "csv":
        _describe_csv(file, text, form, doubts)
    return copy


def _decoded(file: Path, form: dict[str, Any], doubts: dict[str, str]) -> str:
    """The beginning of a text file, whole lines of it."""
    with file.open("rb") as raw:
        stream = gzip.GzipFile(fileobj=raw) if file.name.lower().endswith(".gz") else raw
        head = stream.read(HEAD)
        complete = not stream.read(1)
    encoding = _encoding(head)
    text = head.decode(encoding, errors="ignore")
    if encoding not in ("utf-8", "utf-8-sig"):
        form["encoding"] = encoding
        doubts["encoding"] = "a guess: look for wrong letters in `penchant mapping check`"
    return text if complete else text[: text.rfind("\n") + 1]


def _encoding(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    cut = head[: head.rfind(b"\n") + 1] or head
    for name, expected in (
        ("utf-8-sig", ""),
        ("shift_jis", "\u3040-\u30ff"),  # Japanese has kana
        ("gb18030", "\u4e00-\u9fff"),
    ):
        try:
            text = cut.decode(name)
        except UnicodeDecodeError:
            continue
        letters = sum(map(str.isalpha, text))
        if not expected or len(re.findall(f"[{expected}]", text)) > 0.1 * letters:
            return name
    return "cp1252"


def _describe_csv(file: Path, text: str, form: dict[str, Any], doubts: dict[str, str]) -> None:
    """Delimiter and header, where they are not the usual ones."""
    lines = [line for line in io.StringIO(text[:65_536]).read().splitlines()[:20] if line]
    if not lines:
        raise UsageError(f"{file} is empty", "name a file with rows")
    counts = {one: min(line.count(one) for line in lines) for one in DELIMITERS}
    delimiter = max(counts, key=lambda one: counts[one])
    is_tsv = ".tsv" in file.name.lower()
    if counts[delimiter] and delimiter != ("\t" if is_tsv else ","):
        form["delimiter"] = delimiter
    elif is_tsv:
        form["delimiter"] = "\t"  # the sample is a .csv
    first = lines[0].split(delimiter)
    if any(re.fullmatch(r"-?\d+([.,]\d+)?", cell.strip('" ')) for cell in first):
        form["header"] = _guessed_names(first)
        doubts["header"] = "the file has none: give each column its name"


def _guessed_names(cells: list[str]) -> list[str]:
    """Names for columns without any, by their first value."""
    left = iter(["user", "item"])
    names = []
    for place, cell in enumerate(cells, 1):
        value = cell.strip('" ')
        if value.lower() in EVENT_TYPES:
            names.append("event_type")
        elif re.fullmatch(r"1\d{9}|1\d{12}", value) or _is_iso(value):
            names.append("time")
        else:
            names.append(next(left, f"column_{place}"))
    return names


def _is_iso(value: str) -> bool:
    if not re.match(r"\d{4}-\d{2}-\d{2}", value):
        return False
    query = f"SELECT TRY_CAST({literal(value)} AS TIMESTAMPTZ) IS NOT NULL"
    return bool(duckdb.execute(query).fetchall()[0][0])


def _fits(value: str, name: str) -> bool:
    try:
        datetime.strptime(value, name)
    except ValueError:
        return False
    return True
