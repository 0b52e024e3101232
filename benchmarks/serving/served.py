"""``penchant serve`` and what it is compared with, each started on loopback and ended after."""

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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penchant.errors import PenchantError, UsageError
from penchant.settings import Settings

STARTS = 60.0  # seconds that a server may take
READ = ("releases", "online", "snapshots", "policies", "experiments")


@dataclass(frozen=True)
class Served:
    """``start_seconds``: from the start of the process to its first whole answer."""

    port: int
    start_seconds: float
    process_id: int

    def resident_mb(self) -> float:
        """MB of the process itself that are in memory now; mapped files count where touched."""
        for line in Path(f"/proc/{self.process_id}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise OSError("/proc has no VmRSS: memory is read there, so on Linux only")


@contextmanager
def beside(settings: Settings) -> Iterator[Path]:
    """A home that reads what the settings' home has, and keeps what is asked of it apart."""
    if settings.live_release.current() is None:
        raise UsageError("no release is live to be read", "`make demo` first")
    with tempfile.TemporaryDirectory(prefix="penchant-bench-") as folder:
        home = Path(folder)
        for name in READ:
            if (settings.home / name).exists():
                (home / name).symlink_to((settings.home / name).resolve())
        yield home


@contextmanager
def penchant(home: Path, first: str) -> Iterator[Served]:
    """Our server over a home, once it has answered the path ``first``."""
    port = free_port()
    environment = {
        "PENCHANT_HOME": str(home),
        "PENCHANT_API_PORT": str(port),
        "PENCHANT_REQUESTS_A_SECOND": "1000000",
    }
    command = [str(Path(sys.executable).with_name("penchant")), "serve"]
    with _started(command, environment, port, first) as served:
        yield served


@contextmanager
def feast(repository: Path) -> Iterator[Served]:
    """Feast's own server over the same repository, with one worker as ours has."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("feast")), "-c", str(repository), "serve"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--max-requests", "1000000"]  # else it starts anew in the middle
    with _started(command, {}, port, "/health") as served:
        yield served


@contextmanager
def _started(
    command: list[str], environment: Mapping[str, str], port: int, first: str
) -> Iterator[Served]:
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            while not _answers(port, first):
                if process.poll() is not None or time.perf_counter() - begun > STARTS:
                    said.seek(0)
                    raise PenchantError(
                        f"{' '.join(command)} did not start", said.read()[-2000:].decode()
                    )
                time.sleep(0.02)
            yield Served(port, time.perf_counter() - begun, process.pid)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
