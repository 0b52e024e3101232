"""What the families of a snapshot start from, decided once."""

from pathlib import Path

from penchant.artifacts.record import Record


class TrainingStart(Record):
    """``start.json`` beside the runs of a snapshot, written before its first training.

    ``cold``: the snapshot from whose runs families start warm; None where all start cold, and
    ``why`` says why. ``drifted``: families that start cold all the same, because on an earlier
    snapshot their warm run validated worse than the run that it had started from.
    """

    REMEDY = "delete the file; the families of the snapshot are then trained again"

    snapshot_id: str
    cold: str | None
    why: str = ""
    drifted: tuple[str, ...] = ()

    @staticmethod
    def path(runs: Path) -> Path:
        """The file; ``runs``: the folder of the snapshot's runs."""
        return runs / "start.json"

    @classmethod
    def of(cls, runs: Path) -> "TrainingStart | None":
        """None where nothing was decided: all start cold."""
        try:
            return cls.read(cls.path(runs))
        except FileNotFoundError:
            return None
