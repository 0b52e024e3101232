"""How long and how much memory one training run may take."""

import resource
import sys
import time
from dataclasses import dataclass, field

from penchant.errors import PenchantError
from penchant.settings import Settings

MB = 1024 * 1024
FITTING_SHARE = 0.7  # of the time: the rest is for evaluating and writing


@dataclass(frozen=True)
class Budget:
    """Looked at between steps: ``check`` ends a run that is over before it has left anything."""

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


def peak_memory() -> int:
    """Bytes: the most that this process has had resident so far. One run is one process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
