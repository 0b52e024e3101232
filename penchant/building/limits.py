"""How much of the machine DuckDB may use in a build, and in how many slices a build fits that."""

import math
import shutil
from dataclasses import dataclass

import psutil

from penchant.settings import Settings

MB = 10**6
SHARE_OF_MEMORY = 0.5
SHARE_OF_FREE_SPACE = 0.8
ROWS_A_SLICE_AND_MB = 750
"""Landed events whose users' features fit one megabyte: `make bench-growth` measures the peak."""


@dataclass(frozen=True)
class Limits:
    """Of DuckDB: megabytes of memory and of spilled data, and threads."""

    memory_mb: int
    temp_mb: int
    threads: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The settings, or else shares of the machine's memory and free disk space.

        The space is rounded down to a power of two: when dbt's profile changes, dbt parses the
        whole project again.
        """
        scratch = settings.warehouse.parent
        scratch.mkdir(parents=True, exist_ok=True)
        memory = SHARE_OF_MEMORY * psutil.virtual_memory().total / MB
        space = SHARE_OF_FREE_SPACE * shutil.disk_usage(scratch).free / MB
        return cls(
            settings.duckdb_memory_mb or int(memory),
            settings.duckdb_temp_mb or 1 << max(1, int(space)).bit_length() - 1,
            settings.duckdb_threads or settings.threads,
        )

    def slices(self, events: int) -> int:
        """In how many slices of users to build the features of so many landed events."""
        return max(1, math.ceil(events / (ROWS_A_SLICE_AND_MB * self.memory_mb)))
