"""What training under differential privacy spent, a record for each run (docs/privacy.md)."""

from pathlib import Path
from typing import ClassVar

from penchant.artifacts.record import Moment, Part, Record
from penchant.settings import Settings

RESTORE = (
    "restore the folder from a backup that has every entry; without one, what was spent is unknown "
    "and nobody of this home may be trained on under differential privacy again"
)


class Mechanism(Part):
    """A Gaussian mechanism: the noise's standard deviation over the L2 sensitivity to one user.

    ``sample_rate``: of users, Poisson sampled in each of ``steps``; 1 for all of them.
    """

    noise_multiplier: float
    sample_rate: float = 1.0
    steps: int = 1


class PrivacySpent(Part):
    """``epsilon``: of one run. ``total_epsilon``: of all runs up to this one, at the same delta.
    ``entry``: its number in the ledger."""

    population: str
    entry: int
    epsilon: float
    total_epsilon: float
    delta: float


class LedgerEntry(Record):
    """``privacy/ledger/<population>/000001.json``, written before any noisy value is computed.

    ``seal``: HMAC-SHA-256 over all other fields and the seal of the entry before, in hex.
    """

    REMEDY: ClassVar[str] = RESTORE

    number: int
    population: str
    spent_at: Moment
    snapshot_id: str
    run_id: str
    family: str
    mechanisms: tuple[Mechanism, ...]
    epsilon: float
    total_epsilon: float
    delta: float
    seal: str = ""

    @staticmethod
    def folder(settings: Settings, population: str) -> Path:
        """The folder of a population's entries."""
        return settings.privacy / "ledger" / population

    @property
    def spent(self) -> PrivacySpent:
        return PrivacySpent(
            population=self.population,
            entry=self.number,
            epsilon=self.epsilon,
            total_epsilon=self.total_epsilon,
            delta=self.delta,
        )


class LedgerHead(Record):
    """``head.json`` beside the entries: the newest of them, so that its loss is noticed."""

    REMEDY: ClassVar[str] = RESTORE

    number: int
    seal: str

    @staticmethod
    def path(folder: Path) -> Path:
        return folder / "head.json"
