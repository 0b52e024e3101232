"""Open CSV, JSON, Parquet, ORC and Excel files as DuckDB relations.

All columns of text files are read as text: types are not guessed from a sample, and values of a
wrong type are reported as written.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from penchant.ingestion.landing.unpacking import (
    CHUNK,
    Unreadable,
    expansion_limit,
    orc_as_parquet,
    sheet_as_csv,
    unzip,
)

ENDINGS = {
    ".parquet": "parquet",
    **dict.fromkeys((".csv", ".csv.gz", ".txt", ".txt.gz", ".tsv", ".tsv.gz"), "csv"),
    **dict.fromkeys((".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"), "jsonl"),
    **dict.fromkeys((".json", ".json.gz"), "json"),
    ".orc": "orc",
    ".xlsx": "xlsx",
    ".zip": "zip",
}
GLOB_CHARACTER = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Given:
    """A column of the file: an SQL expression over the relation, and its DuckDB type.

    ``parse`` is SQL that yields a TIMESTAMP in UTC, if a mapping defines how to read it;
    ``skipped`` is SQL for whether its local time was skipped by a clock that went forward.
    """

    sql: str
    type: str
    parse: str | None = None
    skipped: str | None = None


@dataclass(frozen=True)
class Reading:
    """A file as SQL: ``relation`` goes after FROM; ``text`` if all values are text.

    ``absent`` has, for each missing column, a message that says what was looked for. ``row`` is SQL
    of a row's place in the file, from 1. ``json``: rows are objects, with values at JSON pointers.
    """

    relation: str
    columns: dict[str, Given]
    text: bool
    plain_parquet: bool = False
    absent: dict[str, str] = field(default_factory=dict)
    row: str = "row_number() OVER ()"
    json: bool = False

    def find(self, name: str) -> Given | None:
        """A column of the file, or of JSON also a value inside one, such as ``/product/sku``."""
        if name not in self.columns and self.json and name.startswith("/"):
            return Given(f"(json ->> {literal(name)})", "VARCHAR")
        return self.columns.get(name)


@dataclass(frozen=True)
class TextForm:
    """How a text file is written. ``header``: names of the columns, if the file has none.

    ``delimiter``: None for a tab in .tsv and a comma elsewhere. ``quote``: empty for none.
    """

    delimiter: str | None = None
    header: tuple[str, ...] = ()
    encoding: str = "utf-8"
    quote: str = '"'

    def for_file(self, path: Path) -> "TextForm":
        """With the delimiter of a file."""
        usual = "\t" if ".tsv" in path.name.lower() else ","
        return replace(self, delimiter=self.delimiter or usual)


def identifier(name: str) -> str:
    """A name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """The path of one file, quoted for DuckDB's readers: they would expand ``[1]`` in its name."""
    return literal(GLOB_CHARACTER.sub(r"[\g<0>]", str(path)))


def first_line(error: Exception) -> str:
    """The first line of DuckDB's message; of CSV files also what is wrong, not the line itself."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return "; ".join(lines[::2][:2] if "CSV Error on Line" in lines[0] else lines[:1])


def read(
    connection: duckdb.DuckDBPyConnection, path: Path, form: TextForm | None = None
) -> Reading:
    """Open a file by its extension, one of :data:`ENDINGS`. Raises Unreadable.

    Text in another encoding is written again in UTF-8 beside the file.
    """
    form = (form or TextForm()).for_file(path)
    ending = ending_of(path.name)
    if ending is None:
        raise Unreadable(f"unsupported extension of {path.name}: use one of {', '.join(ENDINGS)}")
    if path.stat().st_size == 0:
        raise Unreadable("the file is empty: 0 bytes")
    if ENDINGS[ending] == "zip":
        return read(connection, _table_of(unzip(path)), form)
    if ENDINGS[ending] == "parquet":
        return _read_parquet(connection, path)
    if ENDINGS[ending] == "orc":
        return replace(_read_parquet(connection, orc_as_parquet(path)), plain_parquet=False)
    if ENDINGS[ending] == "xlsx":
        return _read_csv(sheet_as_csv(path), TextForm(header=form.header))
    if form.encoding != "utf-8":
        path = _in_utf8(path, form.encoding)
    quotes = _verify_text(path)
    if ENDINGS[ending] != "csv":
        return _read_json(connection, path, ENDINGS[ending])
    if form.quote == '"' and quotes % 2:
        _verify_quotes(path, form)
    return _read_csv(path, form)


def _table_of(unpacked: Path) -> Path:
    """A file of an archive, which is no archive itself. Raises Unreadable."""
    if ENDINGS.get(ending_of(unpacked.name) or "") == "zip":
        raise Unreadable("a zip archive in a zip archive: unpack it")
    return unpacked


def ending_of(name: str) -> str | None:
    """The supported extension of a file name, or None."""
    return next((ending for ending in ENDINGS if name.lower().endswith(ending)), None)


def _read_parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> Reading:
    relation = f"read_parquet({file_literal(path)}, hive_partitioning := false)"
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except duckdb.Error as error:
        raise Unreadable(f"damaged Parquet file: {first_line(error)}") from error
    columns = {name: Given(identifier(name), type_) for name, type_, *_ in described}
    return Reading(relation, columns, text=False, plain_parquet=True)


def _read_csv(path: Path, form: TextForm) -> Reading:
    names = list(form.header) or _csv_header(path, form)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise Unreadable(f"duplicate columns in the header: {', '.join(repeated)}")
    if not all(names):
        raise Unreadable("the header has an empty column name")
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    relation = (
        f"read_csv({file_literal(path)}, columns = {{{types}}}, auto_detect = false, "
        f"header = {not form.header}, delim = {literal(form.delimiter or ',')}, "
        f"quote = {literal(form.quote)}, escape = {literal(form.quote)}, strict_mode = true, "
        f"compression = '{_compression(path)}', parallel = false)"  # keeps the order of rows
    )
    columns = {name: Given(identifier(name), "VARCHAR") for name in names}
    return Reading(relation, columns, text=True)


def _csv_header(path: Path, form: TextForm) -> list[str]:
    try:
        return next(_csv_rows(path, form), [""])
    except csv.Error as error:
        raise Unreadable(f"invalid header: {error}") from error


def _verify_quotes(path: Path, form: TextForm) -> None:
    """Raise Unreadable for an unclosed quote, after which DuckDB would silently drop the rows.

    A quote inside of a text that isn't quoted, such as 6" nails, is a character.
    """
    row = 0
    try:
        for _ in _csv_rows(path, form):
            row += 1
    except csv.Error as error:
        raise Unreadable(
            f"unclosed quote in or after line {row + 1:,} ({error}); if quotes are characters in "
            'this file, set `quote: ""` in the mapping'
        ) from error


def _csv_rows(path: Path, form: TextForm) -> Iterator[list[str]]:
    with _open(path) as stream, io.TextIOWrapper(stream, "utf-8-sig", newline="") as lines:
        yield from csv.reader(
            lines,
            delimiter=form.delimiter or ",",
            quotechar=form.quote or None,
            quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
            strict=True,
        )


def _read_json(connection: duckdb.DuckDBPyConnection, path: Path, kind: str) -> Reading:
    """Objects, one a line, or in .json also in one array."""
    source = f"{file_literal(path)}, compression = '{_compression(path)}'"
    reader = "read_ndjson_objects" if kind == "jsonl" else "read_json_objects"
    relation = f"(SELECT json FROM {reader}({source}))"
    keys = f"SELECT DISTINCT unnest(json_keys(json)) AS key FROM {relation} ORDER BY key"
    others = f"SELECT count(*) FROM {relation} WHERE json_type(json) <> 'OBJECT'"
    try:
        other = connection.execute(others).fetchall()[0][0]
        names = [row[0] for row in connection.execute(keys).fetchall()]
    except duckdb.Error as error:
        raise Unreadable(f"invalid JSON: {first_line(error)}") from error
    if other:
        raise Unreadable(f"{other} {'lines' if kind == 'jsonl' else 'values'} are not JSON objects")
    columns = {
        name: Given(f"(json ->> {literal(_json_pointer(name))})", "VARCHAR") for name in names
    }
    return Reading(relation, columns, text=True, json=True)


def _json_pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _in_utf8(path: Path, encoding: str) -> Path:
    """The file's text in UTF-8, unpacked, beside it. Raises Unreadable."""
    ending = (ending_of(path.name) or "").removesuffix(".gz")
    written = path.with_name(f"utf-8{ending}")
    limit = expansion_limit(path)
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    try:
        with _open(path) as stream, written.open("w", encoding="utf-8", newline="") as out:
            while chunk := stream.read(CHUNK):
                out.write(decoder.decode(chunk))
                done += len(chunk)
                if done > limit:
                    raise Unreadable(f"decompresses to more than {limit:,} bytes")
            out.write(decoder.decode(b"", final=True))
    except UnicodeError as error:
        detail = f"not {encoding} near byte {done:,}: {error}"
        raise Unreadable(detail, encoding=True) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unreadable(f"damaged gzip: {error}") from error
    return written


def _verify_text(path: Path) -> int:
    """Verify gzip's checksum and UTF-8 of the whole file; return the number of double quotes.

    Raises Unreadable. DuckDB alone would silently stop at the end of a truncated gzip stream.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    limit = expansion_limit(path)
    done = quotes = 0
    try:
        with _open(path) as stream:
            while chunk := stream.read(CHUNK):
                decoder.decode(chunk)
                if 0 in chunk:
                    at = done + chunk.index(0)
                    raise Unreadable(f"not text: NUL at byte {at:,}", encoding=True)
                done += len(chunk)
                quotes += chunk.count(b'"')
                if done > limit:
                    raise Unreadable(f"decompresses to more than {limit:,} bytes")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        # A character may span two chunks, so the position is approximate.
        detail = f"not UTF-8 near byte {done + error.start:,}: {error.reason}"
        raise Unreadable(detail, encoding=True) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unreadable(f"damaged gzip: {error}") from error
    return quotes


def _compression(path: Path) -> str:
    return "gzip" if path.name.lower().endswith(".gz") else "none"


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    """The decompressed bytes of the file."""
    return gzip.GzipFile(path) if _compression(path) == "gzip" else path.open("rb")
