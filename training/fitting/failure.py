"""Record why a run failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penchant.artifacts import RunFailure
from penchant.errors import NothingToDo, PenchantError, PrivacyRefused
from training.fitting.budget import Budget

KILLED = "the process was killed before it could record a cause, most often for lack of memory"


@contextmanager
def recorded_failure(runs: Path, failure: RunFailure, budget: Budget) -> Iterator[None]:
    """Record why the body fails; remove the record of an earlier attempt when it succeeds.

    ``failure`` is written first, unchanged: a process that is killed writes nothing more.
    """
    path = RunFailure.path(runs, failure.family)
    failure.write(path)
    try:
        yield
    except Exception as error:
        cause = error.cause if isinstance(error, PenchantError) else f"{error!r}"
        ended = {
            "cause": cause,
            "nothing_to_do": isinstance(error, NothingToDo),
            "refused": isinstance(error, PrivacyRefused),
            "seconds": round(budget.spent, 2),
        }
        failure.model_copy(update=ended).write(path)
        raise
    path.unlink()
