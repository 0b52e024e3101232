"""A platform in a home: one at a time, started service by service, ended as a whole."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import httpx
import psutil

from penchant.errors import PenchantError, UsageError
from penchant.platform.processes import end, end_marked, mark
from penchant.platform.services import Service
from penchant.settings import Settings

READY_SECONDS = 120.0
END_SECONDS = 20.0
ANSWER_SECONDS = 30.0
LAST_LINES = 12


def state(home: Path) -> dict[str, Any] | None:
    """What the supervisor says is running in ``home``; None when no supervisor lives."""
    try:
        found = json.loads((home / "platform" / "state.json").read_text())
    except FileNotFoundError:
        return None
    # the file outlives a reboot or a kill -9, and its process id may be somebody else's by now
    try:
        supervisor = psutil.Process(found["pid"])
        return found if "penchant.platform.supervisor" in supervisor.cmdline() else None
    except psutil.Error:
        return None


def require_none(home: Path) -> None:
    """Raise UsageError where a platform is running in ``home`` already."""
    running = state(home)
    if running is not None:
        kind = "is up already" if running["stays"] else "is being run by another `penchant demo`"
        raise UsageError(
            f"the platform in {home} {kind} (its supervisor is process {running['pid']})",
            "run `make down` first, or set PENCHANT_HOME to another folder",
        )


class Platform:
    """The services of one home, under a supervisor that ends them when this process ends.

    Raises UsageError where another platform is running in the same home.
    """

    def __init__(self, settings: Settings) -> None:
        self.home = settings.home.resolve()
        lock = take_lock(self.home)
        # what a killed platform may have left; nothing can start beside us while the lock is held
        end_marked(self.home)
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "penchant.platform.supervisor", str(self.home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._log(),
            env={**os.environ, **mark(self.home)},
            start_new_session=True,
            # the lock stays with the supervisor, and so with the services, whatever becomes of us
            pass_fds=(lock.fileno(),),
        )
        lock.close()
        self.stays = False

    def start(self, service: Service) -> None:
        """Start a service; it is not ready yet when this returns."""
        self._tell(
            {
                "name": service.name,
                "command": service.command,
                "environment": service.environment,
                "log": str(service.log),
            }
        )

    def stay(self) -> None:
        """Let the services live on when this process ends."""
        self._tell({"stay": True})
        self.stays = True

    def end(self) -> None:
        """End every service and whatever it forked; harmless when all has ended."""
        if self._keeper.stdin is not None:
            # a supervisor that has died has closed its side
            with suppress(BrokenPipeError):
                self._keeper.stdin.close()
        if self._keeper.poll() is None:
            self._keeper.terminate()
        try:
            self._keeper.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
        end_marked(self.home)

    def require_alive(self) -> None:
        """Raise PenchantError, with the last lines of its log, if a service has ended."""
        if self._keeper.poll() is not None:
            raise self._supervisor_ended()
        running = state(self.home) or {"services": {}}
        for name, service in running["services"].items():
            if service["status"] is not None:
                raise PenchantError(
                    f"{name} ended with status {service['status']}:\n{last_lines(service['log'])}",
                    f"read {service['log']}, then run again",
                )

    def wait_until_ready(self, services: tuple[Service, ...]) -> None:
        """Return when each service answers HTTP; raise PenchantError naming one that doesn't."""
        give_up_at = time.monotonic() + READY_SECONDS
        waiting = [service for service in services if service.ready]
        while waiting:
            self.require_alive()
            waiting = [service for service in waiting if not answers(service)]
            if waiting and time.monotonic() > give_up_at:
                late = waiting[0]
                raise PenchantError(
                    f"{late.name} does not answer at {late.ready} after {READY_SECONDS:.0f} s:\n"
                    f"{last_lines(str(late.log))}",
                    f"read {late.log}; on a slow machine just run again",
                )
            time.sleep(0.2)

    def _tell(self, order: dict[str, Any]) -> None:
        assert self._keeper.stdin is not None
        try:
            self._keeper.stdin.write(json.dumps(order).encode() + b"\n")
            self._keeper.stdin.flush()
        except BrokenPipeError as error:
            raise self._supervisor_ended() from error

    def _supervisor_ended(self) -> PenchantError:
        return PenchantError(
            f"the supervisor of the services ended with status {self._keeper.wait()}",
            f"read {self.home / 'platform' / 'logs' / 'supervisor.log'}, then run again",
        )

    def _log(self) -> TextIO:
        path = self.home / "platform" / "logs" / "supervisor.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")


def take_lock(home: Path) -> TextIO:
    """The open, locked file that says a platform runs in ``home``."""
    path = home / "platform" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        require_none(home)
        raise UsageError(
            f"a platform is just starting or ending in {home}", "wait a few seconds, run again"
        ) from None
    return lock


def end_staying(home: Path) -> bool:
    """End a platform that stays, from another process; False if there was none."""
    running = state(home)
    if running is None:
        return end_marked(home) > 0
    end([psutil.Process(running["pid"])], END_SECONDS)
    end_marked(home)
    return True


def answers(service: Service) -> bool:
    assert service.ready is not None
    try:
        return httpx.get(service.ready, timeout=ANSWER_SECONDS).status_code < 500
    except httpx.HTTPError:
        return False


def last_lines(log: str) -> str:
    path = Path(log)
    if not path.exists():
        return "(its log is empty)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-LAST_LINES:])


@contextmanager
def platform(settings: Settings) -> Iterator[Platform]:
    """A platform that ends, processes and all, when the block is left; unless it was to stay."""
    running = Platform(settings)
    try:
        yield running
    finally:
        if not running.stays:
            running.end()
