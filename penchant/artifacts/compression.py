"""The smaller forms of a training run."""

from pathlib import Path
from typing import Any

from penchant.artifacts.record import Record


class CompressionRecord(Record):
    """``compression.json``. ``forms``: form -> its bytes, and the NDCG@10 lost on each window.
    ``left_out``: form -> why it was not made. The others are of a distilled student."""

    REMEDY = "run `penchant compress` again"

    run_id: str
    family: str
    forms: dict[str, dict[str, Any]]
    left_out: dict[str, str]
    distillation: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    fit_seconds: float | None = None

    @staticmethod
    def folder(run: Path) -> Path:
        """The directory of a run's smaller forms."""
        return run.parent / "compressed" / run.name

    @staticmethod
    def path(folder: Path) -> Path:
        return folder / "compression.json"
