"""Where a rate limiter keeps what clients have left: in memory, or in a file that workers share.

The file is a hash table. A client's slot is one of the few from the one of its hash on; where all
are taken, the client that was seen longest ago loses its slot, and with it what it owed.
"""

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from threading import Lock
from typing import Protocol

MAX_CLIENTS = 10_000  # kept in memory
SLOTS, PROBED = 16_384, 8
_SLOT = Struct("=Qdd")  # the client's hash, 0 for none; units left; seconds of the clock

Rate = tuple[float, float]
"""Units left, and when by the limiter's clock."""


class Rates(Protocol):
    """``get`` and ``put`` are called within ``held``, by one thread at a time."""

    def held(self) -> AbstractContextManager[object]: ...

    def get(self, client: str) -> Rate | None: ...

    def put(self, client: str, rate: Rate) -> None: ...


class LocalRates:
    """Of one process."""

    def __init__(self) -> None:
        self._rates: dict[str, Rate] = {}
        self._lock = Lock()

    def held(self) -> AbstractContextManager[object]:
        return self._lock

    def get(self, client: str) -> Rate | None:
        return self._rates.get(client)

    def put(self, client: str, rate: Rate) -> None:
        self._rates.pop(client, None)
        self._rates[client] = rate
        while len(self._rates) > MAX_CLIENTS:  # drop the least recent
            del self._rates[next(iter(self._rates))]


class SharedRates:
    """Of all processes that open the same file, on one machine: their clock must be the same."""

    def __init__(self, path: Path) -> None:
        """``path``: a file that ``create`` made."""
        self._file = os.open(path, os.O_RDWR)
        self._slots = mmap.mmap(self._file, SLOTS * _SLOT.size)
        self._lock = Lock()

    @staticmethod
    def create(path: Path) -> None:
        """Raises OSError where the disk is full: no later write to the mapped file can fail."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SLOTS * _SLOT.size)
        finally:
            os.close(descriptor)

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)  # freed if the process is killed
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def get(self, client: str) -> Rate | None:
        key, wanted = self._find(client)
        found, left, since = self._read(wanted)
        return (left, since) if found == key else None

    def put(self, client: str, rate: Rate) -> None:
        key, slot = self._find(client)
        _SLOT.pack_into(self._slots, slot * _SLOT.size, key, *rate)

    def _find(self, client: str) -> tuple[int, int]:
        """A client's hash, and its slot, else an empty one, else the one of the client that was
        seen longest ago."""
        key = int.from_bytes(blake2b(client.encode(), digest_size=8).digest()) or 1
        probed = [(key + step) % SLOTS for step in range(PROBED)]
        seen = []
        for slot in probed:
            seen.append(self._read(slot))
            if seen[-1][0] == key:
                return key, slot
        oldest = min(range(PROBED), key=lambda place: (seen[place][0] != 0, seen[place][2]))
        return key, probed[oldest]

    def _read(self, slot: int) -> tuple[int, float, float]:
        key, left, since = _SLOT.unpack_from(self._slots, slot * _SLOT.size)
        return key, left, since
