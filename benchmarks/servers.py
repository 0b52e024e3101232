"""Start ``penchant serve`` or ``feast serve`` on loopback for the time of a measurement."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from penchant.api.auth.first_token import ensure_first_token, local_secret
from penchant.errors import PenchantError, UsageError
from penchant.settings import Settings

BIN = Path(sys.executable).parent
START_SECONDS = 60.0
TOKENS: dict[int, str] = {}  # by the port of a started server
READ = ("releases", "online", "snapshots", "policies", "experiments")


@dataclass(frozen=True)
class Server:
    """``start_seconds``: from the start of the process to its first complete response."""

    port: int
    start_seconds: float
    process_id: int

    def resident_mb(self) -> float:
        """MB resident now; mapped files count where touched."""
        for line in Path(f"/proc/{self.process_id}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise OSError("/proc has no VmRSS: memory is read there, so on Linux only")

    def cpu_seconds(self) -> float:
        """CPU time of the process and its workers so far, in steps of a clock tick, usually 10
        ms."""
        children = Path(f"/proc/{self.process_id}/task/{self.process_id}/children").read_text()
        ticks = 0
        for process_id in (self.process_id, *children.split()):
            fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def read_only_home(settings: Settings) -> Iterator[Path]:
    """A home that links to the live release of ``settings`` and has a feedback log of its own."""
    if settings.live_release.current() is None:
        raise UsageError("there is no live release to measure", "run `make demo` first")
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        home = Path(folder)
        for name in READ:
            if (settings.home / name).exists():
                (home / name).symlink_to((settings.home / name).resolve())
        yield home


@contextmanager
def penchant_server(
    home: Path, path: str = "/readyz", limited: bool = False, workers: int = 1
) -> Iterator[Server]:
    """Our server over a home, once it has answered ``path``. ``limited``: with the default rate
    limit, which measurements of speed do without."""
    port = free_port()
    environment = {
        "PENCHANT_HOME": str(home),
        "PENCHANT_API_PORT": str(port),
    }
    if not limited:
        environment["PENCHANT_REQUESTS_A_SECOND"] = "1000000"
    ensure_first_token(settings_at(home))
    with suppress(UsageError):  # the home has tokens made by hand
        TOKENS[port] = local_secret(settings_at(home))
    command = [str(BIN / "penchant"), "serve", "--workers", str(workers)]
    with _started(command, environment, port, path) as server:
        yield server


def settings_at(home: Path) -> Settings:
    return Settings(_env_file=None, home=home)


def headers_for(port: int) -> dict[str, str]:
    """The headers that a request to the server on this port needs."""
    return {"Authorization": f"Bearer {TOKENS[port]}"} if port in TOKENS else {}


@contextmanager
def feast_server(repository: Path) -> Iterator[Server]:
    """Feast's own server over the same repository, with one worker as ours has."""
    port = free_port()
    command = [str(BIN / "feast"), "-c", str(repository), "serve", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--max-requests", "1000000"]  # otherwise it restarts during the measurement
    with _started(command, {}, port, "/health") as server:
        yield server


@contextmanager
def _started(
    command: list[str], environment: Mapping[str, str], port: int, path: str
) -> Iterator[Server]:
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            while not _responds(port, path):
                if process.poll() is not None or time.perf_counter() - started > START_SECONDS:
                    log.seek(0)
                    raise PenchantError(
                        f"{' '.join(command)} did not start: {log.read()[-2000:].decode()}",
                        "fix the cause in its log above, then measure again",
                    )
                time.sleep(0.02)
            yield Server(port, time.perf_counter() - started, process.pid)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


def _responds(port: int, path: str) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers_for(port))
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
