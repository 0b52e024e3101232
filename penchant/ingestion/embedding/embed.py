"""Stage ``embed``: image files to Parquet files of vectors, a batch each.

A run goes on where the last one ended: files with the same name, size and time of change are
embedded already. Files that cannot be read are listed with the reason in ``rejected.csv``.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penchant.errors import DataError, UsageError
from penchant.ingestion.embedding.encoder import ImageEncoder
from penchant.ingestion.embedding.images import Form, Rejected, find_images, read_pixels

BATCH = 32  # images that the encoder reads at once
BATCHES_A_FILE = 16
ENCODER = b"encoder"
REJECTED = "rejected.csv"
SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("kind", pa.string()),
        ("vector", pa.list_(pa.float32())),
        ("file", pa.string()),
        ("changed", pa.string()),
    ]
)


@dataclass(frozen=True)
class EmbedReport:
    """``embedded`` now, ``known`` from earlier runs, ``rejected`` by file."""

    folder: str
    embedded: int
    known: int
    dimensions: int | None
    rejected: dict[str, str]

    def summary(self) -> str:
        rejected = f", {len(self.rejected)} rejected: {REJECTED}" if self.rejected else ""
        return f"{self.embedded:,} images embedded, {self.known:,} were{rejected}; {self.folder}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def embed(images: Path, encoder: Path, kind: str, out: Path, threads: int) -> EmbedReport:
    """Write vectors of the images in a folder to ``out``; a file's name is its item's id.

    Raises UsageError for an unusable encoder, no image, two images of an item, or an ``out`` of
    another encoder or kind; DataError where the encoder's vectors are not finite.
    """
    model = ImageEncoder(encoder, threads)
    form = Form.beside(encoder, model.size)
    files = find_images(images)
    _check_names(files)
    out.mkdir(parents=True, exist_ok=True)
    known = _known(out, model.identity, kind)
    new = [path for path in files if known.get(str(path.relative_to(images))) != _changed(path)]
    rejected: dict[str, str] = {}
    embedded, dimensions = 0, None
    for part in _batched(new, BATCH * BATCHES_A_FILE):
        rows = [
            row
            for batch in _batched(part, BATCH)
            for row in _rows(images, batch, model, form, kind, rejected)
        ]
        if rows:
            _write(out, rows, model.identity)
            embedded, dimensions = embedded + len(rows), len(rows[0]["vector"])
    _write_rejected(out / REJECTED, rejected)
    return EmbedReport(str(out), embedded, len(files) - len(new), dimensions, rejected)


def _rows(
    images: Path,
    batch: Sequence[Path],
    model: ImageEncoder,
    form: Form,
    kind: str,
    rejected: dict[str, str],
) -> list[dict[str, Any]]:
    read: list[tuple[Path, np.ndarray]] = []
    for path in batch:
        try:
            read.append((path, read_pixels(path, form)))
        except Rejected as reason:
            rejected[str(path.relative_to(images))] = str(reason)
    if not read:
        return []
    vectors_BD = model.vectors(np.stack([pixels for _, pixels in read]))
    finite_B = np.isfinite(vectors_BD).all(axis=1)
    if not finite_B.all():
        wrong = read[int(np.argmin(finite_B))][0]
        raise DataError(
            f"the encoder's vector of {wrong} has NaN or infinity",
            "check the encoder and preprocessor_config.json beside it",
        )
    return [
        {
            "item_id": path.stem,
            "kind": kind,
            "vector": vector.tolist(),
            "file": str(path.relative_to(images)),
            "changed": _changed(path),
        }
        for (path, _), vector in zip(read, vectors_BD, strict=True)
    ]


def _check_names(files: Sequence[Path]) -> None:
    first: dict[str, Path] = {}
    for path in files:
        other = first.setdefault(path.stem, path)
        if other != path:
            raise UsageError(
                f"item {path.stem!r} has two images: {other} and {path}",
                "keep one image an item, named by the item's id",
            )


def _known(out: Path, encoder: str, kind: str) -> dict[str, str]:
    """When each file that is embedded had changed."""
    found: dict[str, str] = {}
    for path in _parts(out):
        table = pq.read_table(path, columns=["file", "changed", "kind"])
        said = (table.schema.metadata or {}).get(ENCODER, b"").decode()
        if said != encoder or set(table["kind"].to_pylist()) - {kind}:
            raise UsageError(
                f"{path} is of another encoder or kind",
                "pass another folder to --out: vectors of a kind are of one encoder",
            )
        found |= dict(zip(table["file"].to_pylist(), table["changed"].to_pylist(), strict=True))
    return found


def _write(out: Path, rows: Sequence[dict[str, Any]], encoder: str) -> None:
    """The next file, complete or not at all."""
    table = pa.Table.from_pylist(list(rows), SCHEMA).replace_schema_metadata({ENCODER: encoder})
    path = out / f"part-{len(_parts(out)):05d}.parquet"
    staged = path.with_suffix(".staged")
    pq.write_table(table, staged)
    staged.replace(path)


def _parts(out: Path) -> list[Path]:
    return sorted(out.glob("part-*.parquet"))


def _changed(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _write_rejected(path: Path, rejected: dict[str, str]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("file", "reason"), *sorted(rejected.items())])


def _batched(files: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    return (files[start : start + size] for start in range(0, len(files), size))
