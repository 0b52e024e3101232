"""How a CSV, Parquet or JSONL file becomes a relation that DuckDB can query.

Text files are read with every column as text, so that a value that is not of its type is seen as it
was written, and nothing is guessed from a sample.
"""

import codecs
import csv
import gzip
import io
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

ENDINGS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
}
CHUNK = 1 << 20  # bytes
# Deflate can blow up 1,032 times; a table of text shrinks 5 to 50 times.
MOST_EXPANSION = 300
FREE_EXPANSION = 64 << 20  # bytes that may be unpacked whatever the ratio


class Unreadable(Exception):
    """The file is not what its name says. ``encoding`` tells undecodable text from the rest."""

    def __init__(self, detail: str, encoding: bool = False) -> None:
        super().__init__(detail)
        self.encoding = encoding


@dataclass(frozen=True)
class Given:
    """A column as the file has it: an SQL expression over the relation, and its DuckDB type.

    ``parse``, where a mapping says how to read it, is SQL that yields a TIMESTAMP in UTC.
    """

    sql: str
    type: str
    parse: str | None = None


@dataclass(frozen=True)
class Reading:
    """A file as SQL: ``relation`` goes after FROM; ``text`` if every value was written as text.

    ``absent`` says of a column that is not there what was looked for.
    """

    relation: str
    columns: dict[str, Given]
    text: bool
    plain_parquet: bool = False
    absent: dict[str, str] = field(default_factory=dict)


def identifier(name: str) -> str:
    """A name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"


def first_line(error: Exception) -> str:
    """The first line of DuckDB's message, which may go on for many."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def read(connection: duckdb.DuckDBPyConnection, path: Path, delimiter: str = ",") -> Reading:
    """Open a file by the ending of its name, one of :data:`ENDINGS`. Raises Unreadable."""
    ending = ending_of(path.name)
    if ending is None:
        raise Unreadable(f"the name ends in none of {', '.join(ENDINGS)}")
    if path.stat().st_size == 0:
        raise Unreadable("the file is empty: 0 bytes")
    if ENDINGS[ending] == "parquet":
        return _read_parquet(connection, path)
    quotes = _verify_text(path)
    if ENDINGS[ending] == "jsonl":
        return _read_jsonl(connection, path)
    if quotes % 2:  # DuckDB would leave out the rows after it and say nothing
        raise Unreadable("a quote is opened and never closed")
    return _read_csv(path, delimiter)


def ending_of(name: str) -> str | None:
    """The ending by which a file is read, or None."""
    return next((ending for ending in ENDINGS if name.lower().endswith(ending)), None)


def _read_parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> Reading:
    relation = f"read_parquet({literal(str(path))}, hive_partitioning = false)"
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except duckdb.Error as error:
        raise Unreadable(f"not whole Parquet: {first_line(error)}") from error
    columns = {name: Given(identifier(name), type_) for name, type_, *_ in described}
    return Reading(relation, columns, text=False, plain_parquet=True)


def _read_csv(path: Path, delimiter: str) -> Reading:
    names = _csv_header(path, delimiter)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise Unreadable(f"the header names {', '.join(repeated)} more than once")
    if not all(names):
        raise Unreadable("the header has a column without a name")
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    relation = (
        f"read_csv({literal(str(path))}, columns = {{{types}}}, auto_detect = false, "
        f"header = true, delim = {literal(delimiter)}, quote = '\"', escape = '\"', "
        f"strict_mode = true, compression = '{_compression(path)}', "
        "parallel = false)"  # rows then come in the file's order
    )
    columns = {name: Given(identifier(name), "VARCHAR") for name in names}
    return Reading(relation, columns, text=True)


def _csv_header(path: Path, delimiter: str) -> list[str]:
    with _open(path) as stream, io.TextIOWrapper(stream, "utf-8-sig", newline="") as lines:
        try:
            return next(csv.reader(lines, delimiter=delimiter, strict=True), [""])
        except csv.Error as error:
            raise Unreadable(f"the header can't be read: {error}") from error


def _read_jsonl(connection: duckdb.DuckDBPyConnection, path: Path) -> Reading:
    source = f"{literal(str(path))}, compression = '{_compression(path)}'"
    relation = f"(SELECT json FROM read_ndjson_objects({source}))"
    keys = f"SELECT DISTINCT unnest(json_keys(json)) AS key FROM {relation} ORDER BY key"
    others = f"SELECT count(*) FROM {relation} WHERE json_type(json) <> 'OBJECT'"
    try:
        other = connection.execute(others).fetchall()[0][0]
        names = [row[0] for row in connection.execute(keys).fetchall()]
    except duckdb.Error as error:
        raise Unreadable(f"not JSON lines: {first_line(error)}") from error
    if other:
        raise Unreadable(f"{other} lines are not JSON objects")
    columns = {
        name: Given(f"(json ->> {literal(_json_pointer(name))})", "VARCHAR") for name in names
    }
    return Reading(relation, columns, text=True)


def _json_pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _verify_text(path: Path) -> int:
    """Read to the end: gzip's checksum holds and every byte is UTF-8 text. Raises Unreadable.

    The number of double quotes. DuckDB alone would stop quietly where a gzip stream was cut.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    limit = max(FREE_EXPANSION, MOST_EXPANSION * path.stat().st_size)
    done = quotes = 0
    try:
        with _open(path) as stream:
            while chunk := stream.read(CHUNK):
                decoder.decode(chunk)
                if 0 in chunk:
                    at = done + chunk.index(0)
                    raise Unreadable(f"not text: a NUL at byte {at:,}", encoding=True)
                done += len(chunk)
                quotes += chunk.count(b'"')
                if done > limit:
                    raise Unreadable(f"unpacks to more than {limit:,} bytes")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        # A character may straddle two chunks, so the place is near, not exact.
        detail = f"not UTF-8 near byte {done + error.start:,}: {error.reason}"
        raise Unreadable(detail, encoding=True) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unreadable(f"not whole gzip: {error}") from error
    return quotes


def _compression(path: Path) -> str:
    return "gzip" if path.name.lower().endswith(".gz") else "none"


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    """The bytes of the file, unpacked."""
    return gzip.GzipFile(path) if _compression(path) == "gzip" else path.open("rb")
