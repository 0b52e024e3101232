"""Sums of arrays that the server can't read: CKKS (Cheon et al. 2017), by TenSEAL.

The nodes share a secret key. The server has the public context, with which it adds ciphertexts and
can't decrypt. A sealed update is two arrays of bytes, so that it travels as arrays do: a header in
JSON, and the ciphertexts one after another. Whoever has the key and sees a node's ciphertexts can
read them: a node that colludes with the server reads all nodes' updates.

As a program: ``new SECRET PUBLIC`` writes a new key, ``open SECRET SEALED TO`` decrypts a file.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tenseal as ts

RING = 4096  # degree of the polynomials, with PRIMES 128 bits of security (SEAL's table)
PRIMES = (54, 55)  # bits; nothing is multiplied, so the first one carries the values
SCALE = 2.0**30  # values up to 2^23, with errors of a millionth
SLOTS = RING // 2

Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Sealed:
    """The sum of nodes' arrays, each times its weight. ``weight``: of all together. ``shapes``: of
    the arrays, which lie one after another in ``parts`` of SLOTS values."""

    weight: float
    shapes: tuple[tuple[int, ...], ...]
    parts: tuple[bytes, ...]

    def as_arrays(self) -> Arrays:
        header = {"weight": self.weight, "shapes": self.shapes, "sizes": [*map(len, self.parts)]}
        contents = json.dumps(header).encode(), b"".join(self.parts)
        return [np.frombuffer(content, np.uint8) for content in contents]

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Sealed":
        """Raises ValueError for what isn't a sealed update."""
        if not is_sealed(arrays):
            raise ValueError("not encrypted")
        header = json.loads(arrays[0].tobytes())
        content, ends = arrays[1].tobytes(), np.cumsum(header["sizes"]).tolist()
        if not ends or ends[-1] != len(content):
            raise ValueError(f"{len(content)} bytes of ciphertexts, its header says {ends[-1:]}")
        parts = (content[first:last] for first, last in zip([0, *ends], ends, strict=False))
        return cls(float(header["weight"]), tuple(map(tuple, header["shapes"])), tuple(parts))


def is_sealed(arrays: Arrays) -> bool:
    return len(arrays) == 2 and all(array.dtype == np.uint8 for array in arrays)


def make_key(secret: Path, public: Path) -> None:
    context = ts.context(
        ts.SCHEME_TYPE.CKKS,
        RING,
        coeff_mod_bit_sizes=list(PRIMES),
        encryption_type=ts.ENCRYPTION_TYPE.SYMMETRIC,
    )
    context.global_scale = SCALE
    rest = {"save_public_key": False, "save_galois_keys": False, "save_relin_keys": False}
    secret.touch(0o600)
    secret.write_bytes(context.serialize(save_secret_key=True, **rest))
    public.write_bytes(context.serialize(save_secret_key=False, **rest))


def read_context(path: Path) -> ts.Context:
    return ts.context_from(path.read_bytes())


def seal(secret: ts.Context, arrays: Arrays, weight: float) -> Sealed:
    values = weight * np.concatenate([array.ravel().astype(np.float64) for array in arrays])
    parts = tuple(
        ts.ckks_vector(secret, values[first : first + SLOTS]).serialize()
        for first in range(0, len(values), SLOTS)
    )
    return Sealed(weight, tuple(array.shape for array in arrays), parts)


class Sum:
    """Of updates with arrays of these shapes, by whoever has the public context."""

    def __init__(self, public: ts.Context, shapes: tuple[tuple[int, ...], ...]) -> None:
        self.public, self.shapes, self.weight = public, shapes, 0.0
        self.parts: list[ts.CKKSVector] = []

    def add(self, sealed: Sealed) -> None:
        """Raises ValueError where the arrays have other shapes, or a part is no ciphertext."""
        count = -(-sum(int(np.prod(shape)) for shape in self.shapes) // SLOTS)
        if sealed.shapes != self.shapes or len(sealed.parts) != count:
            raise ValueError("arrays of other shapes")
        try:
            parts = [ts.ckks_vector_from(self.public, part) for part in sealed.parts]
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"no ciphertext of this federation: {error}") from None
        if self.parts:
            parts = [one + other for one, other in zip(self.parts, parts, strict=True)]
        self.parts, self.weight = parts, self.weight + sealed.weight

    def sealed(self) -> Sealed:
        return Sealed(self.weight, self.shapes, tuple(part.serialize() for part in self.parts))


def mean(secret: ts.Context, sealed: Sealed) -> Arrays:
    """The weighted mean of the nodes' arrays, float32."""
    values = np.concatenate([ts.ckks_vector_from(secret, part).decrypt() for part in sealed.parts])
    values = (values / sealed.weight).astype(np.float32)
    sizes = [int(np.prod(shape)) for shape in sealed.shapes]
    ends = np.cumsum(sizes)[:-1]
    pieces = zip(np.split(values, ends), sealed.shapes, strict=True)
    return [piece.reshape(shape) for piece, shape in pieces]


def open_file(secret: Path, sealed: Path, to: Path) -> None:
    with np.load(sealed, allow_pickle=False) as content:
        arrays = [content[name] for name in content.files]
    np.savez(to, *mean(read_context(secret), Sealed.from_arrays(arrays)))


if __name__ == "__main__":
    command, *paths = sys.argv[1:]
    if command == "new":
        make_key(*map(Path, paths))
    else:
        open_file(*map(Path, paths))
