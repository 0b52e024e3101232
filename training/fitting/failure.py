"""What is left of a run that failed: why, beside the runs that did not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penchant.errors import PenchantError
from penchant.storage import write_json
from training.fitting.budget import Budget

FOLDER = "failed"
KILLED = "it was killed before it could say why: most often for want of memory"


@dataclass(frozen=True)
class Failure:
    """A run that left nothing else. ``cause`` in one line; ``seconds`` until it ended, where
    known."""

    run_id: str
    family: str
    snapshot_id: str
    cause: str
    seconds: float | None
    config: dict[str, Any]
    seed: int
    code_version: str

    @staticmethod
    def path(runs: Path, family: str) -> Path:
        """Where a family's last failure lies; ``runs`` is the folder of its snapshot's runs."""
        return runs / FOLDER / f"{family}.json"

    @classmethod
    def read(cls, runs: Path, family: str, run_id: str) -> "Failure | None":
        """The failure of this very run: one of an older code or config says nothing of it."""
        path = cls.path(runs, family)
        failure = cls(**json.loads(path.read_text())) if path.is_file() else None
        return failure if failure and failure.run_id == run_id else None


@contextmanager
def leaving_its_cause(runs: Path, failure: Failure, budget: Budget) -> Iterator[None]:
    """Write why the body failed, or remove what an earlier try left.

    ``failure`` is written first, as it stands: a process that is killed writes nothing more.
    """
    path = Failure.path(runs, failure.family)
    write_json(path, asdict(failure))
    try:
        yield
    except Exception as error:
        cause = error.cause if isinstance(error, PenchantError) else f"{error!r}"
        write_json(path, asdict(failure) | {"cause": cause, "seconds": round(budget.spent, 2)})
        raise
    path.unlink()
