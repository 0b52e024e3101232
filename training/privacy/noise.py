"""Gaussian noise from a key that nobody has.

A seed that others know would let them subtract the noise, so it doesn't come from the seed of the
run. The bits are AES-256 in counter mode under a key from the operating system. Each value is the
sum of four, halved: a single double from a 53-bit uniform has gaps that disclose what it was added
to (Mironov 2012; Holohan & Braghin 2021).
"""

import math
import secrets

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

KEY_BYTES = 32
SUMMED = 4
AT_ONCE = 1 << 20

Doubles = npt.NDArray[np.float64]


class Noise:
    """A stream of random values. ``key``: for tests alone; else a new secret one."""

    def __init__(self, key: bytes | None = None) -> None:
        key = secrets.token_bytes(KEY_BYTES) if key is None else key
        self._stream = Cipher(AES256(key), CTR(bytes(16))).encryptor()

    def uniform(self, count: int) -> Doubles:
        """Values in [0, 1)."""
        bits = np.frombuffer(self._stream.update(bytes(8 * count)), np.uint64)
        values: Doubles = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return values

    def gaussian(self, shape: tuple[int, ...], deviation: float) -> Doubles:
        """Normal values with this standard deviation."""
        count = math.prod(shape)
        values = np.empty(count)
        for first in range(0, count, AT_ONCE):
            part = values[first : first + AT_ONCE]
            part[:] = sum(self._normal(len(part)) for _ in range(SUMMED))
        values *= deviation / math.sqrt(SUMMED)
        return values.reshape(shape)

    def _normal(self, count: int) -> Doubles:
        """Standard normal values: Box and Muller 1958."""
        half = -(-count // 2)
        radius = np.sqrt(-2 * np.log(1 - self.uniform(half)))
        angle = 2 * np.pi * self.uniform(half)
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
