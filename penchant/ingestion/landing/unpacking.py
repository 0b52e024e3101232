"""Files written anew: the one table of a zip archive or of an Excel workbook, and ORC files."""

import csv
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

CHUNK = 1 << 20  # bytes
# Deflate can expand 1,032 times; tables of text compress 5 to 50 times.
MAX_EXPANSION = 300
FREE_EXPANSION = 64 << 20  # bytes that may be unpacked at any ratio
SHEET_ROWS = 1 << 20  # of Excel; a file that numbers a row higher would take hours
NAME_CHARACTERS = 50  # of a member, its last ones: a longer name may not fit in a file system

DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


class Unreadable(Exception):
    """The file can't be read in the format of its name. ``encoding``: because it isn't UTF-8."""

    def __init__(self, detail: str, encoding: bool = False) -> None:
        super().__init__(detail)
        self.encoding = encoding


def expansion_limit(path: Path) -> int:
    """The most bytes that a compressed file may unpack to."""
    return max(FREE_EXPANSION, MAX_EXPANSION * path.stat().st_size)


def unzip(archive: Path) -> Path:
    """Unpack the only file of an archive beside it. Raises Unreadable."""
    limit, done = expansion_limit(archive), 0
    try:
        with zipfile.ZipFile(archive) as opened:
            member = _only_file(opened)
            # by its name alone: an archive may name a path outside of the folder
            name = Path(member.filename).name[-NAME_CHARACTERS:]
            written = archive.with_name(f"unpacked-{name}")
            with opened.open(member) as stream, written.open("wb") as out:
                while chunk := stream.read(CHUNK):
                    out.write(chunk)
                    done += len(chunk)
                    if done > limit:
                        raise Unreadable(f"decompresses to more than {limit:,} bytes")
    except DAMAGED as error:
        raise Unreadable(f"damaged zip archive: {error}") from error
    except RuntimeError as error:  # zipfile's for an archive with a password
        raise Unreadable(f"the zip archive can't be opened: {error}") from error
    return written


def _only_file(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not member.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        names = ", ".join(member.filename for member in members[:5]) or "none"
        raise Unreadable(
            f"the zip archive has {len(members)} files ({names}): unpack it, and map each file"
        )
    return members[0]


def sheet_as_csv(workbook: Path) -> Path:
    """Write the first sheet of an Excel workbook as CSV beside it. Raises Unreadable.

    Cells are written as values: a formula as its stored result, a date as ISO 8601.
    """
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        raise Unreadable("Excel files need pip install 'penchant[excel]'") from error
    written = workbook.with_name("sheet.csv")
    _verify_archive(workbook)
    try:
        opened = load_workbook(workbook, read_only=True, data_only=True)
        try:
            with written.open("w", newline="", encoding="utf-8") as out:
                writer = csv.writer(out)
                writer.writerows(_rows(opened.worksheets[0].iter_rows(values_only=True)))
        finally:
            opened.close()
    except (*DAMAGED, InvalidFileException, SyntaxError, LookupError, ValueError) as error:
        raise Unreadable(f"damaged Excel workbook: {error}") from error  # SyntaxError: of the XML
    except OSError as error:
        if error.errno is not None:  # of the file system; openpyxl's own errors have no number
            raise
        raise Unreadable(f"damaged Excel workbook: {error}") from error
    return written


def orc_as_parquet(orc: Path) -> Path:
    """Write an ORC file as Parquet beside it, stripe by stripe. Raises Unreadable.

    Times are cut to microseconds.
    """
    import pyarrow as pa  # takes a fifth of a second, and no other format needs it
    import pyarrow.parquet as pq
    from pyarrow.orc import ORCFile

    written, limit, done = orc.with_name("orc.parquet"), expansion_limit(orc), 0
    try:
        opened = ORCFile(orc)
        with pq.ParquetWriter(
            written, opened.schema, coerce_timestamps="us", allow_truncated_timestamps=True
        ) as out:
            for stripe in range(opened.nstripes):
                rows = opened.read_stripe(stripe)
                done += rows.nbytes
                if done > limit:
                    raise Unreadable(f"decompresses to more than {limit:,} bytes")
                out.write_batch(rows)
    except pa.ArrowException as error:
        raise Unreadable(f"damaged ORC file: {error}") from error
    except OSError as error:
        if error.errno is not None:  # of the file system; PyArrow's own errors have no number
            raise
        raise Unreadable(f"damaged ORC file: {error}") from error
    return written


def _verify_archive(workbook: Path) -> None:
    limit = expansion_limit(workbook)
    try:
        with zipfile.ZipFile(workbook) as opened:
            if sum(member.file_size for member in opened.infolist()) > limit:
                raise Unreadable(f"decompresses to more than {limit:,} bytes")
    except zipfile.BadZipFile as error:
        raise Unreadable(f"damaged Excel workbook: {error}") from error


def _rows(cells: Iterator[tuple[Any, ...]]) -> Iterator[list[str]]:
    """Rows as texts, as wide as the header; empty rows are left out. Raises Unreadable."""
    header = [_text(cell) for cell in next(cells, ())]
    while header and not header[-1]:
        header.pop()
    yield header
    for number, row in enumerate(cells, start=2):
        if number > SHEET_ROWS:
            raise Unreadable(f"the sheet has more than {SHEET_ROWS:,} rows")
        texts = [_text(cell) for cell in row[: len(header)]]
        if any(texts):
            yield texts + [""] * (len(header) - len(texts))


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # Excel has no integers: an id of 17850 is 17850.0 in the file
    return str(cell)
