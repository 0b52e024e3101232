"""The services of ``make up`` as its supervisor records them in ``HOME/platform/state.json``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class ServiceState:
    """``state``: running, or how it ended. ``restarts``: since it last ran without interruption."""

    name: str
    state: str
    restarts: int
    log: str

    @property
    def runs(self) -> bool:
        return self.state == "running"

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state,
            "restarts": self.restarts,
            "log": self.log,
            "runs": self.runs,
        }


def platform_services(home: Path) -> list[ServiceState]:
    """Each service of the platform in ``home``; none if the platform is not up.

    If the supervisor itself was killed, all services ended with it.
    """
    try:
        found = json.loads((home / "platform" / "state.json").read_text())
    except FileNotFoundError:
        return []
    supervised = is_supervisor(found["pid"])
    return [
        ServiceState(
            name,
            _state(service["status"], supervised),
            service.get("restarts", 0),
            str(home / service["log"]),
        )
        for name, service in found["services"].items()
    ]


def is_supervisor(pid: int) -> bool:
    """Whether the process is a supervisor: the id may have been reused."""
    try:
        return "penchant.platform.supervisor" in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def _state(status: int | None, supervised: bool) -> str:
    if not supervised:
        return "ended with the supervisor, run `make up`"
    return "running" if status is None else f"exited with status {status}, starts again"
