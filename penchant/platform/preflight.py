"""Checks before anything starts: what would otherwise end a first run halfway."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from penchant.errors import PenchantError, UsageError
from penchant.platform.airflow import FOREIGN_PREFIX
from penchant.platform.services import Service
from penchant.settings import Settings

FREE_BYTES = 2 * 10**9  # the demo writes 1.4 GB


def require_startable(
    settings: Settings, services: Sequence[Service], notify: Callable[[str], None]
) -> None:
    """Raise PenchantError if the home cannot be written to or a port is in use."""
    require_writable(settings.home)
    require_space(settings.home)
    require_free_ports(services)
    if foreign := sorted(name for name in os.environ if name.startswith(FOREIGN_PREFIX)):
        notify(f"ignoring {', '.join(foreign)}: this Airflow has a configuration of its own")


def require_writable(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
            fcntl.flock(probe, fcntl.LOCK_EX)
    except OSError as error:
        raise UsageError(
            f"PENCHANT_HOME: cannot write to {home}: {error.strerror}",
            "set it to a folder on a local disk that you may write to",
        ) from error


def require_space(home: Path) -> None:
    free = shutil.disk_usage(home).free
    if free < FREE_BYTES:
        raise UsageError(
            f"PENCHANT_HOME: the disk of {home} has {free / 1e9:.1f} GB left, "
            f"{FREE_BYTES / 1e9:.0f} GB are required",
            "free space, or set it to a folder on another disk",
        )


def require_free_ports(services: Sequence[Service]) -> None:
    """Raise PenchantError for the first port in use, with the process that uses it."""
    listening = {
        connection.laddr.port: connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    for service in services:
        if service.port in listening:
            assert service.setting is not None
            raise PenchantError(
                f"port {service.port} of {service.name} is in use"
                f" by {process_name(listening[service.port])}",
                f"stop it, or set PENCHANT_{service.setting.upper()} to a free port",
            )


def process_name(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    try:
        return f"{psutil.Process(pid).name()} (process {pid})"
    except psutil.Error:
        return f"process {pid}"
