"""Redis and Postgres with pgvector, run for a test on loopback, and ended after it."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from patience import PATIENCE

UNPRIVILEGED = "nobody"  # Postgres refuses to run as root


class Absent(Exception):
    """Why a server can't be started here."""


@contextmanager
def redis_server() -> Iterator[str]:
    """Yield its Feast connection string. Raises Absent."""
    _require("redis")
    binary = shutil.which("redis-server")
    if binary is None:
        raise Absent("redis-server is not on PATH: Debian's package redis-server has it")
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder]
        with _running([binary, *options], Path(folder) / "log", _listens(port)):
            yield f"127.0.0.1:{port}"


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yield its URL; its pgvector comes from the package pgserver, of which only the programs are
    used. Raises Absent."""
    for package in ("psycopg", "psycopg_pool", "pgvector"):
        _require(package)
    programs = Path(_require("pgserver")).parent / "pginstall" / "bin"
    if not (programs / "postgres").is_file():
        raise Absent(f"pgserver has no Postgres for this machine in {programs}")
    port = _free_port()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        apart = _apart(Path(folder))
        data = Path(folder) / "data"
        made = subprocess.run(
            [programs / "initdb", "-D", data, "-U", "penchant", "--auth=trust", "--no-sync"],
            capture_output=True,
            text=True,
            **apart,
        )
        if made.returncode:
            raise Absent(f"initdb failed: {made.stderr.strip()}")
        options = ["-D", data, "-h", "127.0.0.1", "-p", str(port)]
        settings = ("fsync=off", "unix_socket_directories=", "shared_buffers=128MB")
        command = [programs / "postgres", *options, *(part for s in settings for part in ("-c", s))]
        url = f"postgresql://penchant@127.0.0.1:{port}/postgres"
        with _running(command, Path(folder) / "log", lambda: _answers(url), **apart):
            yield url


def _require(package: str) -> str:
    """Where a package is, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise Absent(f"the Python package {package} is not installed: the extra `dev` has it")
    return found.origin


def _apart(folder: Path) -> dict[str, Any]:
    """What lets a program run as somebody else, where we are root."""
    if os.geteuid():
        return {}
    shutil.chown(folder, UNPRIVILEGED)
    return {"user": UNPRIVILEGED, "group": None, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextmanager
def _running(
    command: list[Any], log: Path, ready: Callable[[], bool], **apart: Any
) -> Iterator[None]:
    with log.open("w") as written:
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT, **apart)
    try:
        begun = time.monotonic()
        while not ready():
            if process.poll() is not None or time.monotonic() - begun > PATIENCE:
                raise Absent(f"{Path(command[0]).name} did not start: {log.read_text()[-500:]}")
            time.sleep(0.02)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # Postgres would wait for its clients at SIGTERM
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> Callable[[], bool]:
    def listens() -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", port)) == 0

    return listens


def _answers(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
