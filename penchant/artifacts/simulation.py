"""Results of policies in the simulated world."""

from pathlib import Path

from penchant.artifacts.record import Part, Record
from penchant.settings import Settings


class SimulatedPolicy(Part):
    """``regret_per_visit``: by day, smoothed; ``first`` and ``last`` of it. ``clicks``: of all
    days. ``left``: users who left the shop."""

    regret_per_visit: tuple[float, ...]
    first: float
    last: float
    clicks: float
    left: float


class SimulationRecord(Record):
    """``regret.json``. Means over ``seeds`` worlds; all policies act randomly on the first
    ``warming_days``. ``identity``: hash of the code and the settings of the world."""

    REMEDY = "run `penchant simulate` again"

    identity: str
    days: int
    users: int
    seeds: int
    seed: int
    warming_days: int
    policies: dict[str, SimulatedPolicy]

    @staticmethod
    def path(settings: Settings) -> Path:
        return settings.simulation / "regret.json"
