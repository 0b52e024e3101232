"""Find and end all processes of a platform, including daemonized ones.

Each process has a marker in its environment, which is inherited across forks.
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
    """Environment variables by which ``marked`` finds a process and its descendants.

    ``SPT_NOENV`` keeps setproctitle, which Airflow uses, from overwriting the environment in /proc.
    """
    return {MARK: str(home.resolve()), "SPT_NOENV": "1"}


def marked(home: Path) -> list[psutil.Process]:
    """The running processes of the platform in ``home``, without the caller and its ancestors."""
    wanted = str(home.resolve())
    own = {psutil.Process().pid, *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        # the process may have ended, or belong to another user
        with suppress(psutil.Error):
            if process.pid not in own and process.environ().get(MARK) == wanted:
                found.append(process)
    return found


def end(
    processes: list[psutil.Process],
    grace: float = GRACE_SECONDS,
    number: signal.Signals = signal.SIGTERM,
) -> None:
    """Send a signal to the processes, and SIGKILL after ``grace`` seconds."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    _, alive = psutil.wait_procs(processes, grace)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, grace)


def end_marked(home: Path) -> int:
    """End the remaining processes of a platform; returns their number."""
    ended = 0
    while processes := marked(home):
        end(processes)
        ended += len(processes)
    return ended


def memory_bytes(processes: list[psutil.Process]) -> int:
    """Total proportional set size of the processes: shared pages count once."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


def die_with_parent() -> None:
    """Ask the Linux kernel to kill this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants (Linux child subreaper)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
