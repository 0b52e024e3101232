"""The parent process of all services; ends them when the command that started it ends.

``python -m penchant.platform.supervisor HOME`` reads JSON lines from stdin: a service to start
(``name``, ``command``, ``environment``, ``log``, ``ends_last``), or ``{"stay": true}``, after
which the end of stdin is ignored. Otherwise the end of stdin, which also follows a ``kill -9`` of
the writer, or SIGTERM ends all services and their descendants. ``HOME/platform/state.json`` lists
the services. The kernel kills the services if this process is killed. A platform that stays starts
a service that ended again.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from penchant.platform.processes import adopt_orphans, die_with_parent, end, marked
from penchant.platform.restarts import Restarts
from penchant.storage import write_json

POLL_SECONDS = 0.3
PENCHANT = str(Path(sys.executable).with_name("penchant"))
DATABASE_GRACE_SECONDS = 15.0


class Supervisor:
    """Starts services, records their exit statuses, ends the rest."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state = home / "platform" / "state.json"
        self.stays = False
        self.ending = False
        self.names: dict[int, str] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.restarts: dict[str, Restarts] = {}
        self.last: psutil.Process | None = None
        """The service that the others need until they have ended: the database."""

    def run(self) -> None:
        adopt_orphans()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end_soon)
        self._save()
        try:
            self._serve()
        finally:
            self._end_all()
            self.state.unlink(missing_ok=True)

    def _serve(self) -> None:
        received = b""
        listening = True
        while not self.ending:
            if listening and select.select([sys.stdin], [], [], POLL_SECONDS)[0]:
                read = os.read(sys.stdin.fileno(), 1 << 16)
                if not read and not self.stays:
                    return
                listening = bool(read)
                *lines, received = (received + read).split(b"\n")
                for line in lines:
                    self._handle(json.loads(line))
            elif not listening:
                time.sleep(POLL_SECONDS)
            self._reap()
            if self.stays:
                self._restart()

    def _handle(self, request: dict[str, Any]) -> None:
        if request.get("stay"):
            self.stays = True
        else:
            self._start(request)
        self._save()

    def _start(self, request: dict[str, Any]) -> None:
        log = Path(request["log"])
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                request["command"],
                env=request["environment"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.names[process.pid] = request["name"]
        now = time.monotonic()
        restarts = self.restarts.setdefault(request["name"], Restarts(request, now))
        restarts.started(now)
        self.services[request["name"]] = {
            "pid": process.pid,
            "log": os.path.relpath(log, self.home),  # a home may be copied
            "status": None,
            "restarts": restarts.count,
        }
        if request["ends_last"]:
            self.last = psutil.Process(process.pid)
        # _reap collects its status, with those of orphans
        process.returncode = 0

    def _reap(self) -> None:
        """Collect the exit statuses of services and adopted orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if name := self.names.pop(pid, None):
                self.services[name]["status"] = os.waitstatus_to_exitcode(status)
                self.restarts[name].ended(time.monotonic())
                if self.stays and not self.ending:
                    self._tell(name)
                self._save()

    def _tell(self, name: str) -> None:
        """Send an alert for a service that ended, at its first and every tenth time."""
        if self.restarts[name].count % 10 != 1:
            return
        found = self.services[name]
        log = self.home / found["log"]
        text = f"{name} exited with status {found['status']} and is started again; {log}."
        process = subprocess.Popen(
            [PENCHANT, "alert", "--kind=service-ended", f"--text={text}", "--tier=tier-1"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        process.returncode = 0  # _reap collects its status

    def _restart(self) -> None:
        """Start each service that ended and whose pause is over, without its old descendants."""
        for name, restarts in self.restarts.items():
            if restarts.is_due(time.monotonic()):
                with suppress(ProcessLookupError):
                    os.killpg(self.services[name]["pid"], signal.SIGKILL)
                self._start(restarts.request)
                self._save()

    def _end_all(self) -> None:
        while left := self._remaining() - set(tree(self.last)):
            end(list(left))
        if self.last is not None:
            # Postgres disconnects its clients at SIGINT and waits for them at SIGTERM
            end([self.last], DATABASE_GRACE_SECONDS, signal.SIGINT)
        while left := self._remaining():
            end(list(left))

    def _remaining(self) -> set[psutil.Process]:
        self._reap()
        return {*psutil.Process().children(recursive=True), *marked(self.home)}

    def _save(self) -> None:
        write_json(self.state, {"pid": os.getpid(), "stays": self.stays, "services": self.services})

    def _end_soon(self, number: int, frame: FrameType | None) -> None:
        self.ending = True


def tree(process: psutil.Process | None) -> list[psutil.Process]:
    """A process and its descendants; nothing if it has ended."""
    with suppress(psutil.NoSuchProcess):
        if process is not None and process.is_running():
            return [process, *process.children(recursive=True)]
    return []


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1])).run()
