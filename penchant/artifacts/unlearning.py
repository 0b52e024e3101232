"""What became of the models that had learned from erased people."""

from pathlib import Path

from penchant.artifacts.record import Part, Record
from penchant.settings import Settings


class UnlearnedRun(Part):
    """A run of a family from which people can be subtracted exactly, beside an earlier run.

    ``before``: that run, which had learned from the people. ``difference``: the largest one between
    values of the run's model and of the earlier model less the people, relative to the largest
    value of its array; ``rounding``: how much of it 32-bit arithmetic explains;
    ``contributed``: the same before the people were subtracted. None where arrays have other
    shapes, and where models weren't compared: ``why_not`` says why.
    """

    family: str
    run_id: str
    before: str | None
    contributed: float | None = None
    difference: float | None = None
    rounding: float | None = None
    why_not: str | None = None

    @property
    def is_exact(self) -> bool:
        if self.difference is None or self.rounding is None:
            return False
        return self.difference <= self.rounding


class Unlearning(Record):
    """``privacy/unlearning/<snapshot id>.json``: written while the earlier runs still exist.

    ``untrained``: families that had learned from the people and have no run on this snapshot yet.
    """

    REMEDY = "delete the file, then run `penchant subject finish`"

    snapshot_id: str
    runs: tuple[UnlearnedRun, ...]
    untrained: tuple[str, ...]

    @staticmethod
    def path(settings: Settings, snapshot_id: str) -> Path:
        return settings.privacy / "unlearning" / f"{snapshot_id}.json"
