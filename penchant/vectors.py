"""Quantized vectors, in a quarter or half of their bytes: compression writes, publishing reads.

Each dimension is centred and divided by its scale, then stored as int8 or half precision. Without,
the one dimension that holds an item's popularity would leave few of the 255 steps to the others. An
int8 vector also has a scale of its own (symmetric: 0 is 0), so that vectors with a large norm,
those of best sellers, take no precision from the others.

A dimension's scale is the square root of the items' standard deviation. Items are divided by it and
users multiplied: dot products stay the same, and each side keeps half of the unevenness (Xiao et
al. 2023, "SmoothQuant", share it between weights and activations in this way). int8 numbers of a
user and an item can then be multiplied as integers.

In names: N vectors, U of users, I of items, D dimensions.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from penchant.encryption import parquet as pq
from penchant.encryption.encrypted_file import is_encrypted_file, read_bytes
from penchant.errors import DataError
from penchant.storage import is_mapped

FloatArray = npt.NDArray[np.float32]
Numbers = npt.NDArray[Any]

INT8, HALF, FLOAT = "int8", "half", "float32"
KINDS = (INT8, HALF)
"""The compressed kinds, smallest first."""
NUMBERS: dict[str, Any] = {INT8: np.int8, HALF: np.float16}
FRAME = "frame"  # of a schema's metadata
LARGEST = 127  # of an int8, symmetric


@dataclass(frozen=True)
class Frame:
    """Quantization parameters of all user or all item vectors: the kind, and each dimension's
    centre and scale."""

    kind: str
    centre_D: FloatArray
    spread_D: FloatArray

    def encode(self, vectors_ND: FloatArray) -> "Encoded":
        """Raises DataError for a vector that isn't finite, or too large for half precision."""
        even_ND = (vectors_ND - self.centre_D) / self.spread_D
        if not np.isfinite(even_ND).all():
            raise _error("a vector has NaN or infinite numbers")
        if self.kind == INT8:
            largest_N = np.abs(even_ND).max(axis=1, initial=0)
            scale_N = np.where(largest_N > 0, largest_N / LARGEST, 1).astype(np.float32)
            numbers_ND = np.rint(even_ND / scale_N[:, None]).astype(np.int8)
        else:
            scale_N = np.ones(len(even_ND), np.float32)
            with np.errstate(over="ignore"):  # raises below
                numbers_ND = even_ND.astype(np.float16)
            if not np.isfinite(numbers_ND).all():
                raise _error(f"{np.abs(even_ND).max():.3g} is out of range of half precision")
        return Encoded(self, numbers_ND, scale_N)

    def decode(self, numbers: list[bytes], scale_N: npt.ArrayLike) -> FloatArray:
        """vectors_ND of the numbers in a table or the online store."""
        kept_ND = np.frombuffer(b"".join(numbers), NUMBERS[self.kind]).reshape(len(numbers), -1)
        return Encoded(self, kept_ND, np.asarray(scale_N, np.float32)).decoded()

    def as_dict(self) -> dict[str, Any]:
        """JSON; ``from_dict`` restores it bit for bit."""
        centre, spread = self.centre_D.tolist(), self.spread_D.tolist()
        return {"kind": self.kind, "centre": centre, "spread": spread}

    @classmethod
    def from_dict(cls, described: dict[str, Any]) -> "Frame":
        centre, spread = (np.array(described[name], np.float32) for name in ("centre", "spread"))
        return cls(described["kind"], centre, spread)


@dataclass(frozen=True)
class Encoded:
    """Compressed vectors. ``numbers_ND``: int8 or float16."""

    frame: Frame
    numbers_ND: Numbers
    scale_N: FloatArray

    def decoded(self) -> FloatArray:
        """vectors_ND, within half a quantization step of the originals."""
        even_ND = self.numbers_ND.astype(np.float32) * self.scale_N[:, None]
        return even_ND * self.frame.spread_D + self.frame.centre_D

    def take(self, rows: list[int]) -> "Encoded":
        """Only these vectors, in this order."""
        return Encoded(self.frame, self.numbers_ND[rows], self.scale_N[rows])


def frames(kind: str, users_UD: FloatArray, items_ID: FloatArray) -> tuple[Frame, Frame]:
    """Frames of users and of items, whose scales cancel out in a dot product."""
    deviation_D = np.std(items_ID, axis=0, dtype=np.float64)
    spread_D = np.sqrt(np.where(deviation_D > 0, deviation_D, 1)).astype(np.float32)
    users = Frame(kind, _centre(users_UD), np.asarray(1 / spread_D, np.float32))
    return users, Frame(kind, _centre(items_ID), spread_D)


def _centre(vectors_ND: FloatArray) -> FloatArray:
    return np.asarray(np.mean(vectors_ND, axis=0, dtype=np.float64), np.float32)


def table(key: str, ids: pa.ChunkedArray, encoded: Encoded) -> pa.Table:
    """Columns ``key``, ``numbers`` (a vector's, as bytes) and ``scale``; the frame is in the
    schema's metadata."""
    numbers_ND = encoded.numbers_ND
    size = numbers_ND.itemsize * numbers_ND.shape[1]
    numbers = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(size), len(numbers_ND), [None, pa.py_buffer(numbers_ND.tobytes())]
    )
    columns = {key: ids, "numbers": numbers, "scale": pa.array(encoded.scale_N, pa.float32())}
    frame = json.dumps(encoded.frame.as_dict())
    return pa.table(columns).replace_schema_metadata({FRAME: frame})


def write(path: Path, vectors: pa.Table) -> None:
    """Write a ``table``. Dictionary encoding is off: numbers seldom repeat."""
    pq.write_table(vectors, path, compression="zstd", use_dictionary=False)


def frame_of(vectors: pa.Table) -> Frame | None:
    """The frame of a table of compressed vectors; None for plain ones, in ``vector``."""
    kept = (vectors.schema.metadata or {}).get(FRAME.encode())
    return Frame.from_dict(json.loads(kept)) if kept else None


def matrix(vectors: pa.Table) -> FloatArray:
    """vectors_ND of a table, compressed or plain; float32, in the table's order."""
    frame = frame_of(vectors)
    if frame is None:
        plain = vectors["vector"].combine_chunks()
        return plain.flatten().to_numpy().reshape(len(plain), -1)
    return frame.decode(vectors["numbers"].to_pylist(), vectors["scale"].to_numpy())


def _error(cause: str) -> DataError:
    return DataError(f"vectors can't be compressed: {cause}", "train that family again")


def load_array(path: Path) -> npt.NDArray[Any]:
    """An array of a ``.npy`` file, mapped into memory if it is large (``is_mapped``) and plain."""
    if is_encrypted_file(path):
        return np.load(io.BytesIO(read_bytes(path)), allow_pickle=False)
    return np.load(path, mmap_mode="r" if is_mapped(path) else None, allow_pickle=False)
