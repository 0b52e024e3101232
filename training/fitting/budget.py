"""How long and how much memory one training run may take."""

import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from penchant.errors import PenchantError
from penchant.settings import Settings

MB = 1024 * 1024
FITTING_SHARE = 0.7  # of the time: the rest is for evaluating and writing
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Budget:
    """Looked at between steps: ``check`` ends a run that is over before it has left anything, and
    ``enforced`` looks by itself."""

    seconds: float
    memory_mb: int
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, settings: Settings) -> "Budget":
        return cls(settings.family_seconds, settings.family_memory_mb)

    @property
    def spent(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.started

    @property
    def fitting_seconds_left(self) -> float:
        """What a trainer that can stop early should stop within."""
        return FITTING_SHARE * self.seconds - self.spent

    def check(self) -> None:
        """Raise PenchantError when the run has taken more than it may."""
        if self.spent > self.seconds:
            raise PenchantError(
                f"training took more than its {self.seconds:.0f} s",
                "raise PENCHANT_FAMILY_SECONDS, or make the family's config smaller",
            )
        if peak_memory() > self.memory_mb * MB:
            raise PenchantError(
                f"training took {peak_memory() // MB} MB, more than its {self.memory_mb} MB",
                "raise PENCHANT_FAMILY_MEMORY_MB, or make the family's config smaller",
            )

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """End the body when it is over budget, wherever it is, by a look every second.

        Python runs the look between two of its own steps: a library's call that takes minutes is
        ended when it returns. For the main thread only, as signals are.
        """

        def look(number: int, frame: object) -> None:
            try:
                self.check()
            except PenchantError:
                signal.setitimer(signal.ITIMER_REAL, 0)  # one is enough: it is unwound in peace
                raise

        previous = signal.signal(signal.SIGALRM, look)
        signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS, LOOK_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)


def peak_memory() -> int:
    """Bytes: the most that this process has had resident so far. One run is one process.

    Where Linux says it, since the program began: what ``getrusage`` gives there counts the process
    that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS
