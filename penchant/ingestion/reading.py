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

CHUNK = 1 << 20  # bytes
# Deflate can blow up 1,032 times; a table of text shrinks 5 to 50 times.
MOST_EXPANSION = 300
FREE_EXPANSION = 64 << 20  # bytes that may be unpacked whatever the ratio


class Unreadable(Exception):  # noqa: N818 (a condition of the file, reported, not an error)
    """The file is not what its name says. ``encoding`` tells undecodable text from the rest."""

    def __init__(self, detail: str, encoding: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.encoding = encoding


@dataclass(frozen=True)
class Given:
    """A column as the file has it: an SQL expression over the relation and its DuckDB type.

    ``parse`` is SQL that reads it as a TIMESTAMP in UTC, where a mapping says how.
    """

    sql: str
    type: str
    parse: str | None = None


@dataclass(frozen=True)
class Reading:
    """A file as SQL: ``relation`` goes after FROM; ``text`` if every value was written as text."""

    relation: str
    columns: dict[str, Given] = field(hash=False)
    text: bool
    plain_parquet: bool = False


def identifier(name: str) -> str:
    """A name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"


def read(connection: duckdb.DuckDBPyConnection, path: Path, delimiter: str = ",") -> Reading:
    """Open a file by the ending of its name, which must be one of :data:`ENDINGS`.

    Raises Unreadable. ``path`` must hold no characters that DuckDB's glob takes for patterns.
    """
    kind = kind_of(path)
    if path.stat().st_size == 0:
        raise Unreadable("the file is empty: 0 bytes")
    if kind == "parquet":
        return _read_parquet(connection, path)
    _verify_text(path)
    if kind == "csv":
        return _read_csv(path, delimiter)
    return _read_jsonl(connection, path)


ENDINGS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
}


def ending_of(path: Path) -> str:
    """The ending by which a file is read; raises Unreadable for one that is not known."""
    for ending in ENDINGS:
        if path.name.lower().endswith(ending):
            return ending
    raise Unreadable(f"the name ends in none of {', '.join(ENDINGS)}")


def kind_of(path: Path) -> str:
    """``parquet``, ``csv`` or ``jsonl``."""
    return ENDINGS[ending_of(path)]


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
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Unreadable(f"the header names {', '.join(twice)} more than once")
    if not all(names):
        raise Unreadable("the header has a column without a name")
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    compression = "gzip" if _is_gzip(path) else "none"
    relation = (
        f"read_csv({literal(str(path))}, columns = {{{types}}}, auto_detect = false, header = true, "
        f"delim = {literal(delimiter)}, quote = '\"', escape = '\"', strict_mode = true, "
        # One thread: row numbers are then those of the file.
        f"compression = '{compression}', parallel = false)"
    )
    return Reading(
        relation, {name: Given(identifier(name), "VARCHAR") for name in names}, text=True
    )


def _csv_header(path: Path, delimiter: str) -> list[str]:
    with _open_text(path) as lines:
        try:
            return next(csv.reader(lines, delimiter=delimiter, strict=True), [""])
        except csv.Error as error:
            raise Unreadable(f"the header can't be read: {error}") from error


def _read_jsonl(connection: duckdb.DuckDBPyConnection, path: Path) -> Reading:
    compression = "gzip" if _is_gzip(path) else "none"
    objects = f"(SELECT json FROM read_ndjson_objects({literal(str(path))}, compression = '{compression}'))"
    keys = f"SELECT DISTINCT unnest(json_keys(json)) AS key FROM {objects} ORDER BY key"
    kinds = f"SELECT count(*) FILTER (WHERE json_type(json) <> 'OBJECT') FROM {objects}"
    try:
        other = connection.execute(kinds).fetchall()[0][0]
        names = [row[0] for row in connection.execute(keys).fetchall()]
    except duckdb.Error as error:
        raise Unreadable(f"not JSON lines: {first_line(error)}") from error
    if other:
        raise Unreadable(f"{other} lines are not JSON objects")
    columns = {
        name: Given(f"(json ->> {literal(_json_pointer(name))})", "VARCHAR") for name in names
    }
    return Reading(objects, columns, text=True)


def _json_pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _verify_text(path: Path) -> None:
    """Read to the end: gzip's checksum holds and every byte is UTF-8 text.

    DuckDB stops quietly where a gzip stream was cut.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    limit = max(FREE_EXPANSION, MOST_EXPANSION * path.stat().st_size)
    done = 0
    try:
        with _open_bytes(path) as stream:
            while chunk := stream.read(CHUNK):
                _refuse_binary(chunk, done)
                decoder.decode(chunk)
                done += len(chunk)
                if done > limit:
                    raise Unreadable(f"unpacks to more than {limit:,} bytes")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        detail = f"not UTF-8 at or after byte {done + error.start:,}: {error.reason}"
        raise Unreadable(detail, encoding=True) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unreadable(f"not whole gzip: {error}") from error


def _refuse_binary(chunk: bytes, done: int) -> None:
    if (at := chunk.find(0)) >= 0:
        raise Unreadable(f"not text: a NUL at byte {done + at:,}", encoding=True)


def _is_gzip(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _open_bytes(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if _is_gzip(path) else path.open("rb")


def _open_text(path: Path) -> io.TextIOWrapper:
    """UTF-8, with a byte order mark left out."""
    return io.TextIOWrapper(_open_bytes(path), encoding="utf-8-sig", newline="")


def first_line(error: Exception) -> str:
    """The first line of DuckDB's message, which may go on for many."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
