"""The running platform: one per home, started service by service, ended as a whole."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import httpx
import psutil

from penchant.errors import PenchantError, UsageError
from penchant.platform.postgres import accepts_connections
from penchant.platform.processes import end, end_marked, mark
from penchant.platform.services import Service, settings_environment
from penchant.serving.platform_services import is_supervisor
from penchant.settings import Settings

NOTICE_SECONDS = 30.0
END_SECONDS = 30.0
RESPONSE_SECONDS = 30.0
LAST_LINES = 12


def state(home: Path) -> dict[str, Any] | None:
    """State of the platform in ``home``, as written by its supervisor; None if none is running."""
    try:
        found = json.loads((home / "platform" / "state.json").read_text())
    except FileNotFoundError:
        return None
    # the file survives a reboot or a kill -9, and the process id may have been reused
    return found if is_supervisor(found["pid"]) else None


def require_none(home: Path) -> None:
    """Raise UsageError if a platform is running in ``home``."""
    running = state(home)
    if running is not None:
        kind = "is up already" if running["stays"] else "is in use by another `penchant demo`"
        raise UsageError(
            f"the platform in {home} {kind} (its supervisor is process {running['pid']})",
            "run `make down` first, or set PENCHANT_HOME to another folder",
        )


class Platform:
    """The services of one home, under a supervisor that ends them when this process ends.

    Raises UsageError if another platform is running in the same home.
    """

    def __init__(self, settings: Settings) -> None:
        self.home = settings.home.resolve()
        lock = take_lock(self.home)
        # remaining processes of a killed platform; the lock keeps others from starting new ones
        end_marked(self.home)
        self._supervisor = subprocess.Popen(
            [sys.executable, "-m", "penchant.platform.supervisor", str(self.home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._log(),
            env={**os.environ, **settings_environment(settings), **mark(self.home)},
            start_new_session=True,
            # the supervisor holds the lock as long as it lives
            pass_fds=(lock.fileno(),),
        )
        lock.close()
        self.stays = False

    def start(self, service: Service) -> None:
        """Start a service without waiting until it is ready."""
        self._send(
            {
                "name": service.name,
                "command": service.command,
                "environment": service.environment,
                "log": str(service.log),
                "ends_last": service.ends_last,
            }
        )

    def stay(self) -> None:
        """Keep the services running when this process ends."""
        self._send({"stay": True})
        self.stays = True

    def end(self) -> None:
        """End all services and their descendants. Does nothing if all have ended."""
        if self._supervisor.stdin is not None:
            # the supervisor may have ended
            with suppress(BrokenPipeError):
                self._supervisor.stdin.close()
        if self._supervisor.poll() is None:
            self._supervisor.terminate()
        try:
            self._supervisor.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
        end_marked(self.home)

    def require_alive(self) -> None:
        """Raise PenchantError, with the last lines of its log, if a service has ended."""
        if self._supervisor.poll() is not None:
            raise self._supervisor_ended()
        running = state(self.home) or {"services": {}}
        for name, service in running["services"].items():
            if service["status"] is not None:
                log = self.home / service["log"]
                raise PenchantError(
                    f"{name} exited with status {service['status']}:\n{last_lines(log)}",
                    f"read {log}, then run again",
                )

    def wait_until_ready(
        self, services: Sequence[Service], notify: Callable[[str], None] = print
    ) -> None:
        """Wait until each service responds, as long as all services run.

        There is no other limit: a slow machine takes minutes. ``notify`` gets a line every 30 s.
        """
        started = time.monotonic()
        notice_at = started + NOTICE_SECONDS
        waiting = [service for service in services if service.ready]
        while waiting:
            self.require_alive()
            waiting = [service for service in waiting if not responds(service)]
            if waiting and time.monotonic() > notice_at:
                late = waiting[0]
                seconds = time.monotonic() - started
                notify(f"{late.name} has not responded for {seconds:.0f} s; its log: {late.log}")
                notice_at += NOTICE_SECONDS
            time.sleep(0.2)

    def _send(self, request: dict[str, Any]) -> None:
        assert self._supervisor.stdin is not None
        try:
            self._supervisor.stdin.write(json.dumps(request).encode() + b"\n")
            self._supervisor.stdin.flush()
        except BrokenPipeError as error:
            raise self._supervisor_ended() from error

    def _supervisor_ended(self) -> PenchantError:
        return PenchantError(
            f"the supervisor exited with status {self._supervisor.wait()}",
            f"read {self.home / 'platform' / 'logs' / 'supervisor.log'}, then run again",
        )

    def _log(self) -> TextIO:
        path = self.home / "platform" / "logs" / "supervisor.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")


def take_lock(home: Path) -> TextIO:
    """Lock the home; returns the open lock file."""
    path = home / "platform" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        require_none(home)
        raise UsageError(
            f"a platform is starting or stopping in {home}", "wait a few seconds, run again"
        ) from None
    return lock


def end_staying(home: Path) -> bool:
    """End a platform that was started by another process; False if there was none."""
    running = state(home)
    if running is None:
        return end_marked(home) > 0
    end([psutil.Process(running["pid"])], END_SECONDS)
    end_marked(home)
    return True


def responds(service: Service) -> bool:
    assert service.ready is not None
    if service.ready.startswith("postgresql:"):
        return accepts_connections(service.ready)
    try:
        with httpx.Client(trust_env=False, timeout=RESPONSE_SECONDS) as loopback:
            return loopback.get(service.ready).status_code < 500
    except httpx.HTTPError:
        return False


def last_lines(log: Path) -> str:
    if not log.exists():
        return "(its log is empty)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])


@contextmanager
def platform(settings: Settings) -> Iterator[Platform]:
    """A platform that ends with the block, unless ``stay`` was called."""
    running = Platform(settings)
    try:
        yield running
    finally:
        if not running.stays:
            running.end()
