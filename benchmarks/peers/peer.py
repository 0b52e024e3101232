"""Shared by the peers' scripts: the data, one quality metric, and the line of JSON they print.

A script is run as ``PYTHON with_<package>.py MODEL FILE SETTINGS`` in the package's own virtual
environment. FILE is a table of S3-Rec: one line a user, the id and then items. The last two items
of a user are held out, as in leave-one-out; the last but one is the target of validation. A
script of a bandit is run as ``PYTHON with_<package>.py FILE SETTINGS``, FILE being an npz.

Only numpy is imported here, so that it works in every environment.
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

EVALUATED_USERS_EVERY = (
    4  # validation is on each fourth user: it must take less time than the training
)
USERS_A_BATCH = 256
EVALUATIONS = 4  # during a training
WARMING_UP = 5  # first steps, not counted when there is less than an epoch


@dataclass(frozen=True)
class Data:
    """Items count from 0. ``sequences``: each user's training events, oldest first."""

    sequences: list[list[int]]
    targets_U: np.ndarray
    item_count: int

    @property
    def events(self) -> int:
        return sum(map(len, self.sequences))

    @property
    def evaluated_users(self) -> list[int]:
        """The rows of the users of validation."""
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
    """``seconds``: of each epoch, sweep or solve. ``curve``: (seconds trained, validation NDCG@10).
    ``note``: how an incomplete epoch was measured. ``ranking``: seconds of scoring all users and
    finding their best items, by repeat."""

    package: str
    seconds: Sequence[float]
    peak_mb: float
    curve: Sequence[tuple[float, float]] = ()
    note: str = ""
    ranking: Sequence[float] = ()


def arguments() -> tuple[str, Data, dict[str, Any]]:
    """The model, the data and the settings that the command line names."""
    model, file, settings = sys.argv[1:]
    rows = Path(file).read_text().splitlines()
    lines = [[int(one) - 1 for one in line.split()[1:]] for line in rows]
    data = Data(
        [items[:-2] for items in lines],
        np.array([items[-2] for items in lines]),
        1 + max(map(max, lines)),
    )
    return model, data, json.loads(settings)


def finish(package: str, seconds: Sequence[float], **others: Any) -> None:
    """Print the result as the last line."""
    result = Result(f"{package} {version(package)}", seconds, peak_mb(), **others)
    print(json.dumps(asdict(result)), flush=True)


def peak_mb() -> float:
    """Peak resident MB of this process, without what it inherited at exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status has no VmHWM: peak memory is read there, so on Linux only")


def ndcg_at_10(data: Data, score: Callable[[list[int]], np.ndarray]) -> float:
    """Validation NDCG@10 over the whole catalogue; items that a user had are masked.

    ``score``: rows of users -> scores_BI. Items without training events are never recommended.
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


class TimedTraining:
    """A training of bounded time, evaluated a few times on its way; only steps are timed."""

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
        """Start timing a step; drawing its batch is part of it."""
        self._started = time.perf_counter()

    def step(self, score: Callable[[list[int]], np.ndarray]) -> None:
        """End a step, evaluate ``score`` when due, then start the next."""
        self._steps.append(time.perf_counter() - self._started)
        if self.trained >= self._seconds * (len(self.curve) + 1) / EVALUATIONS:
            self.curve.append((self.trained, ndcg_at_10(self._data, score)))
        self.start()

    def finish(self, package: str) -> None:
        """Print the result: whole epochs, or one that is scaled up from its first steps."""
        whole = len(self._steps) // self._steps_an_epoch
        if whole:
            timed = np.reshape(self._steps[: whole * self._steps_an_epoch], (whole, -1))
            finish(package, timed.sum(axis=1).tolist(), curve=self.curve)
            return
        timed = self._steps[min(WARMING_UP, len(self._steps) - 1) :]
        note = f"epoch scaled up from {len(timed)} of its {self._steps_an_epoch} steps"
        scaled = [float(np.mean(timed)) * self._steps_an_epoch]
        finish(package, scaled, curve=self.curve, note=note)


@dataclass(frozen=True)
class Log:
    """``actions_N`` drawn uniformly among ``arms``, ``rewards_N`` of 0 or 1; ``decisions_BD``:
    contexts to decide on."""

    contexts_ND: np.ndarray
    actions_N: np.ndarray
    rewards_N: np.ndarray
    decisions_BD: np.ndarray
    arms: int


def bandit_arguments() -> tuple[Log, dict[str, Any]]:
    """The log and the settings that the command line names."""
    file, settings = sys.argv[1:]
    names = ("contexts", "actions", "rewards", "decisions")
    with np.load(file) as arrays:
        log = Log(*(arrays[name] for name in names), int(arrays["arms"]))
    return log, json.loads(settings)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result; seconds of the processor where those are fewer than of the clock.

    Other processes lengthen the clock's time of what takes milliseconds.
    """
    started, worked = time.perf_counter(), time.process_time()
    found = call()
    return min(time.perf_counter() - started, time.process_time() - worked), found


def finish_bandit(
    package: str, learning: list[float], deciding: list[float], actions: np.ndarray
) -> None:
    """Print seconds of each pass and the actions selected, as the last line."""
    name = package if package == "penchant" else f"{package} {version(package)}"
    selected = [int(action) for action in actions]
    result = {"package": name, "learning": learning, "deciding": deciding, "actions": selected}
    print(json.dumps(result), flush=True)
