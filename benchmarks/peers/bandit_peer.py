"""What the scripts of bandits share: one log for all, and the line that they print.

A script is run as ``PYTHON with_<package>.py FILE SETTINGS``. FILE is an npz of contexts, actions,
rewards to learn from and of contexts to decide for. The last line printed is JSON: seconds of each
pass over the log and over the decisions, and the arm that was picked for each context. Only numpy
is imported here.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Log:
    """``contexts_ND``, ``actions_N`` by chance among ``arms``, ``rewards_N`` of 0 or 1; and
    ``asked_BD``, to decide for."""

    contexts_ND: np.ndarray
    actions_N: np.ndarray
    rewards_N: np.ndarray
    asked_BD: np.ndarray
    arms: int


def arguments() -> tuple[Log, dict[str, Any]]:
    """The log and the settings that the command line names."""
    file, settings = sys.argv[1:]
    names = ("contexts", "actions", "rewards", "asked")
    with np.load(file) as arrays:
        log = Log(*(arrays[name] for name in names), int(arrays["arms"]))
    return log, json.loads(settings)


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it: of the processor, or of the clock where those are fewer.

    What takes milliseconds is stretched by whatever else the machine runs; its own work is not.
    """
    started, worked = time.perf_counter(), time.process_time()
    found = do()
    return min(time.perf_counter() - started, time.process_time() - worked), found


def finish(package: str, learning: list[float], deciding: list[float], actions: Any) -> None:
    """Print the result as the last line."""
    name = package if package == "penchant" else f"{package} {version(package)}"
    actions = [int(action) for action in actions]
    result = {"package": name, "learning": learning, "deciding": deciding, "actions": actions}
    print(json.dumps(result), flush=True)
