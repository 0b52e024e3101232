"""Every process of one platform, found and ended however it was forked.

Each carries a mark in its environment, which forks inherit and double forks don't lose.
"""

import ctypes
import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "PENCHANT_PLATFORM"
GRACE_SECONDS = 4.0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def mark(home: Path) -> dict[str, str]:
    """Environment variables that make a process and its descendants findable by ``marked``.

    ``SPT_NOENV`` keeps setproctitle, which Airflow calls, from overwriting the environment that
    the kernel shows of a process.
    """
    return {MARK: str(home.resolve()), "SPT_NOENV": "1"}


def marked(home: Path) -> list[psutil.Process]:
    """The living processes of the platform in ``home``, but for the caller and its ancestors."""
    wanted = str(home.resolve())
    own = {psutil.Process().pid, *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        # one that has just ended, or is somebody else's, is not ours to find
        with suppress(psutil.Error):
            if process.pid not in own and process.environ().get(MARK) == wanted:
                found.append(process)
    return found


def end(processes: list[psutil.Process], grace: float = GRACE_SECONDS) -> None:
    """Ask the processes to end, and after ``grace`` seconds make them."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, grace)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, grace)


def end_marked(home: Path) -> int:
    """End what is left of a platform; returns how many processes that were."""
    ended = 0
    while processes := marked(home):
        end(processes)
        ended += len(processes)
    return ended


def memory_bytes(processes: list[psutil.Process]) -> int:
    """Proportional set size of the processes together: shared pages count once."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


def die_with_parent() -> None:
    """Ask the Linux kernel to kill this process when the one that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that none gets away (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
