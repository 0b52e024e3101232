"""Limits of one training run: CPU time, wall-clock time and memory."""

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from penchant.errors import BudgetExceeded

if TYPE_CHECKING:  # types only, as in training.data.histories
    from penchant.settings import Settings

MB = 1024 * 1024
SECONDS, MEMORY_MB = 240.0, 3000  # for USUAL_INTERACTIONS
USUAL_INTERACTIONS = 1_500_000
FITTING_SHARE = 0.7  # of the CPU time: the rest is for evaluation and writing
MEMORY_SHARE = 0.8  # of the machine's, for all trainings at once
WALL_FACTOR = 8  # a run waits for other processes, or for a GPU
CHECK_SECONDS = 1.0


def cpu_seconds() -> float:
    """CPU time of this process and its ended children."""
    return sum(os.times()[:4])


@dataclass(frozen=True)
class Budget:
    """Limits that ``check`` enforces between steps, and ``enforced`` at any time.

    ``seconds`` is CPU time per thread, which doesn't depend on the load of the machine; neither
    does the step at which a trainer stops. The wall-clock limit is WALL_FACTOR times as long.
    """

    seconds: float
    memory_mb: int
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    started: float = field(default_factory=time.monotonic)
    cpu_at_start: float = field(default_factory=cpu_seconds)

    @classmethod
    def of(cls, settings: "Settings", interactions: int = 0) -> "Budget":
        """The settings; by default more for more interactions than ``USUAL_INTERACTIONS``, and no
        more memory than the machine has for each of the trainings at once."""
        growth = max(1.0, interactions / USUAL_INTERACTIONS)
        share_mb = MEMORY_SHARE * machine_memory_mb() / settings.trainings_at_once
        memory_mb = max(MEMORY_MB, min(MEMORY_MB * growth, share_mb))
        return cls(
            SECONDS * growth if settings.family_seconds is None else settings.family_seconds,
            int(memory_mb) if settings.family_memory_mb is None else settings.family_memory_mb,
            settings.training_threads,
        )

    @property
    def spent(self) -> float:
        """Wall-clock seconds since the run began."""
        return time.monotonic() - self.started

    @property
    def cpu_spent(self) -> float:
        """CPU seconds per thread since the run began."""
        return (cpu_seconds() - self.cpu_at_start) / self.threads

    @property
    def fitting_seconds_left(self) -> float:
        """CPU seconds per thread after which a trainer that can stop early stops."""
        return FITTING_SHARE * self.seconds - self.cpu_spent

    def check(self) -> None:
        """Raise BudgetExceeded if the run is over a limit."""
        if self.cpu_spent > self.seconds:
            raise BudgetExceeded(
                f"training took more than its {self.seconds:.0f} s of CPU time",
                "raise PENCHANT_FAMILY_SECONDS, or make the family's config smaller",
            )
        wall_seconds = WALL_FACTOR * self.seconds
        if self.spent > wall_seconds:
            raise BudgetExceeded(
                f"training took more than its {wall_seconds:.0f} s of wall-clock time",
                "free the machine, or raise PENCHANT_FAMILY_SECONDS",
            )
        if peak_memory() > self.memory_mb * MB:
            raise BudgetExceeded(
                f"training took {peak_memory() // MB} MB, more than its {self.memory_mb} MB",
                "raise PENCHANT_FAMILY_MEMORY_MB, or make the family's config smaller",
            )

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Check every second inside the block. For the main thread only, as signals are.

        Python handles the signal between two of its own instructions: a library call that takes
        minutes is interrupted when it returns.
        """

        def on_timer(number: int, frame: object) -> None:
            try:
                self.check()
            except BudgetExceeded:
                signal.setitimer(signal.ITIMER_REAL, 0)  # don't interrupt the clean-up
                raise

        previous = signal.signal(signal.SIGALRM, on_timer)
        signal.setitimer(signal.ITIMER_REAL, CHECK_SECONDS, CHECK_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)


def machine_memory_mb() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / MB


def peak_memory() -> int:
    """Peak resident memory of this process in bytes. One run is one process.

    On Linux from /proc: ``getrusage`` includes the parent process there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS
