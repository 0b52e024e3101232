"""What every peer's script shares: the data, one measure of quality, and the line it prints.

A script is run as ``PYTHON with_<package>.py MODEL FILE SETTINGS``, PYTHON being that of the
package's own virtual environment. FILE is a table of S3-Rec: one line a user, the id and then
items. The last two items of a user are left out of training, as in leave-one-out, and the last but
one is what validation asks for. SETTINGS is JSON. The last line printed is ``Result`` as JSON.

Only numpy is imported here, so that all of the environments can.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

EVALUATED_USERS_EVERY = 4  # validation is on each fourth user: it must not outlast what it measures
USERS_A_BATCH = 256
EVALUATED_TIMES = 4  # in the course of a training
WARMING_UP = 5  # steps that are not counted where there is less than an epoch of them


@dataclass(frozen=True)
class Data:
    """Items count from 0. ``sequences``: what each user did before validation, oldest first."""

    sequences: list[list[int]]
    targets_U: np.ndarray
    item_count: int

    @property
    def events(self) -> int:
        return sum(map(len, self.sequences))

    @property
    def evaluated_users(self) -> list[int]:
        """The rows of the users whom validation asks about."""
        return list(range(0, len(self.sequences), EVALUATED_USERS_EVERY))

    def entries(self) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], tuple[int, int]]:
        """Ones, (rows, columns) and the shape, as scipy's sparse matrices are made from."""
        lengths_U = [len(one) for one in self.sequences]
        rows_N = np.repeat(np.arange(len(self.sequences)), lengths_U)
        columns_N = np.concatenate(self.sequences)
        shape = (len(self.sequences), self.item_count)
        return np.ones(len(rows_N), np.float32), (rows_N, columns_N), shape


@dataclass(frozen=True)
class Result:
    """``seconds``: of each epoch, or what stands for one. ``curve``: (seconds trained, validation
    NDCG@10). ``note``: how an epoch was measured where it was not one whole epoch. ``ranking``:
    seconds of scoring all users and finding their best items, each time that it was done."""

    package: str
    seconds: Sequence[float]
    peak_mb: float
    curve: Sequence[tuple[float, float]] = ()
    note: str = ""
    ranking: Sequence[float] = ()


def arguments() -> tuple[str, Data, dict[str, Any]]:
    """The model, the data and the settings that the command line names."""
    model, file, settings = sys.argv[1:]
    parsed = json.loads(settings)
    return model, read(Path(file), parsed["users"]), parsed


def read(file: Path, users: int | None) -> Data:
    """The table's training part; of the first ``users`` users where a script is only tried."""
    lines = [[int(one) - 1 for one in line.split()[1:]] for line in file.read_text().splitlines()]
    lines = lines[:users]
    return Data(
        [items[:-2] for items in lines],
        np.array([items[-2] for items in lines]),
        1 + max(map(max, lines)),
    )


def finish(package: str, seconds: Sequence[float], **others: Any) -> None:
    """Print the result as the last line."""
    result = Result(f"{package} {version(package)}", seconds, peak_mb(), **others)
    print(json.dumps(asdict(result)), flush=True)


def peak_mb() -> float:
    """MB: the most that this process has had resident; its own, not what it inherited at exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmHWM: peak memory is read there, so on Linux only")


def ndcg_at_10(data: Data, score: Callable[[list[int]], np.ndarray]) -> float:
    """Validation NDCG@10 over the whole catalogue; items that a user had are masked.

    ``score``: rows of users -> scores_BI. An item that nobody had in training is never recommended.
    """
    known_I = np.zeros(data.item_count, bool)
    known_I[np.concatenate(data.sequences)] = True
    users, gains = data.evaluated_users, []
    for first in range(0, len(users), USERS_A_BATCH):
        rows = users[first : first + USERS_A_BATCH]
        scores_BI = np.array(score(rows), np.float32)
        scores_BI[:, ~known_I] = -np.inf
        for scores_I, row in zip(scores_BI, rows, strict=True):
            scores_I[data.sequences[row]] = -np.inf
            target = data.targets_U[row]
            rank = int((scores_I > scores_I[target]).sum())
            found = rank < 10 and np.isfinite(scores_I[target])
            gains.append(1 / np.log2(rank + 2) if found else 0.0)
    return float(np.mean(gains))


class Ticks:
    """A callback at the end of each epoch; the first epoch, with its set-up, is not counted."""

    def __init__(self) -> None:
        self._ends: list[float] = []

    def __call__(self, *_: object) -> None:
        self._ends.append(time.perf_counter())

    @property
    def seconds(self) -> list[float]:
        return np.diff(self._ends).tolist()


class Course:
    """A training of bounded time, evaluated a few times on its way.

    Only the steps are timed: evaluation is left out of ``trained`` and so of the curve's seconds.
    """

    def __init__(self, data: Data, seconds: float, steps_an_epoch: int) -> None:
        self.curve: list[tuple[float, float]] = []
        self._data, self._seconds, self._steps_an_epoch = data, seconds, steps_an_epoch
        self._steps: list[float] = []
        self._started = time.perf_counter()

    @property
    def trained(self) -> float:
        """Seconds of all steps so far."""
        return sum(self._steps)

    @property
    def over(self) -> bool:
        return self.trained >= self._seconds

    def start(self) -> None:
        """A step begins; drawing its batch is part of it."""
        self._started = time.perf_counter()

    def step(self, score: Callable[[list[int]], np.ndarray]) -> None:
        """End a step; evaluate ``score`` when it is due, then begin the next step."""
        self._steps.append(time.perf_counter() - self._started)
        if self.trained >= self._seconds * (len(self.curve) + 1) / EVALUATED_TIMES:
            self.curve.append((self.trained, ndcg_at_10(self._data, score)))
        self.start()

    def finish(self, package: str) -> None:
        """Print the result: whole epochs, or one that is scaled up from the steps there were."""
        whole = len(self._steps) // self._steps_an_epoch
        if whole:
            timed = np.reshape(self._steps[: whole * self._steps_an_epoch], (whole, -1))
            finish(package, timed.sum(axis=1).tolist(), curve=self.curve)
            return
        timed = self._steps[min(WARMING_UP, len(self._steps) - 1) :]
        note = f"epoch scaled up from {len(timed)} of its {self._steps_an_epoch} steps"
        scaled = [float(np.mean(timed)) * self._steps_an_epoch]
        finish(package, scaled, curve=self.curve, note=note)
