"""The process above all services: it ends them all when the command that started it ends.

``python -m penchant.platform.supervisor HOME`` reads one JSON object a line from stdin: a service to
start (``name``, ``command``, ``environment``, ``log``), or ``{"stay": true}``, after which the end
of stdin means nothing. Otherwise the end of stdin, which a ``kill -9`` of the other side brings
about too, or SIGTERM, ends every service and all they forked. ``HOME/platform/state.json`` says
what runs. The kernel kills the services if this process itself is killed.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from penchant.platform.processes import adopt_orphans, die_with_parent, end, marked
from penchant.storage import write_json

POLL_SECONDS = 0.3


class Supervisor:
    """Starts services, notes which have ended, ends the rest."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state = home / "platform" / "state.json"
        self.stays = False
        self.told_to_end = False
        self.names: dict[int, str] = {}
        self.services: dict[str, dict[str, Any]] = {}

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
        while not self.told_to_end:
            if listening and select.select([sys.stdin], [], [], POLL_SECONDS)[0]:
                read = os.read(sys.stdin.fileno(), 1 << 16)
                if not read and not self.stays:
                    return
                listening = bool(read)
                *lines, received = (received + read).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))
            elif not listening:
                time.sleep(POLL_SECONDS)
            self._reap()

    def _obey(self, order: dict[str, Any]) -> None:
        if order.get("stay"):
            self.stays = True
        else:
            self._start(order)
        self._save()

    def _start(self, order: dict[str, Any]) -> None:
        log = Path(order["log"])
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                order["command"],
                env=order["environment"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.names[process.pid] = order["name"]
        self.services[order["name"]] = {"pid": process.pid, "log": str(log), "status": None}
        # its status is collected by _reap, with those of the orphans
        process.returncode = 0

    def _reap(self) -> None:
        """Collect the exit statuses of services and of orphans that came to be ours."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if name := self.names.pop(pid, None):
                self.services[name]["status"] = os.waitstatus_to_exitcode(status)
                self._save()

    def _end_all(self) -> None:
        while True:
            self._reap()
            left = {*psutil.Process().children(recursive=True), *marked(self.home)}
            if not left:
                return
            end(list(left))

    def _save(self) -> None:
        write_json(self.state, {"pid": os.getpid(), "stays": self.stays, "services": self.services})

    def _end_soon(self, number: int, frame: FrameType | None) -> None:
        self.told_to_end = True


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1])).run()
