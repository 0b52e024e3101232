"""Flower's processes on this machine: a SuperLink, a SuperNode for each node, and one run.

Flower has an environment of its own, because its requirements exclude Airflow's and Feast's; it
carries the arrays, and each node's worker trains in Penchant's environment.
"""

import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from penchant.artifacts.federated import FederatedRound
from penchant.errors import PenchantError, UsageError
from penchant.platform.processes import die_with_parent
from training.federated.local_training import Arrays
from training.federated.tls import Certificates
from training.federated.worker import unpacked

APP = Path(__file__).parent / "flower_app"
RULES = ("fedavg", "fedadam", "trimmed")
START_SECONDS = 300.0
NODE_STARTS = 3

log = structlog.get_logger()


@dataclass(frozen=True)
class Rounds:
    """``secure``: SecAgg+. ``encrypted``: CKKS. ``round_seconds``: how long a round waits for its
    slowest node."""

    count: int
    rule: str
    secure: bool
    round_seconds: float = 600.0
    encrypted: bool = False

    def check(self, nodes: int) -> None:
        """Raises UsageError for what can't be run."""
        if self.rule not in RULES:
            raise UsageError(f"rule: unknown rule {self.rule!r}", f"use {', '.join(RULES)}")
        if self.count < 1 or self.round_seconds <= 0:
            raise UsageError(
                f"{self.count} rounds of {self.round_seconds} seconds", "pass positive numbers"
            )
        if self.secure and self.rule == "trimmed":
            raise UsageError(
                "secure aggregation shows the server sums alone, of which nothing can be trimmed",
                "use the rule fedavg or fedadam, or leave out --secure",
            )
        if self.encrypted and (self.secure or self.rule != "fedavg"):
            raise UsageError(
                "encrypted updates can be added and nothing else, got "
                f"{'--secure' if self.secure else f'the rule {self.rule}'} with --encrypted",
                "use the rule fedavg, and one of --secure and --encrypted",
            )
        least = 3 if self.secure or self.rule == "trimmed" else 2
        if nodes < least:
            raise UsageError(
                f"{nodes} nodes: {'--secure' if self.secure else self.rule} needs {least}",
                "assign the users to more nodes",
            )


@dataclass(frozen=True)
class Flower:
    """``environment``: the virtual environment in which ``flwr`` is installed."""

    environment: Path

    def command(self, name: str) -> str:
        """Path of one of Flower's commands. Raises UsageError without the environment."""
        path = self.environment / "bin" / name
        if not path.exists():
            raise UsageError(
                f"PENCHANT_FLOWER: {self.environment} has no {name}",
                "run `make federated-environment`, or give the folder of a virtual environment "
                "with requirements-federated.lock installed",
            )
        return str(path)

    def variables(self, home: Path) -> dict[str, str]:
        """The environment of a process of Flower, which runs its own commands by name."""
        path = f"{self.environment / 'bin'}:{os.environ.get('PATH', '')}"
        return {**os.environ, "PATH": path, "FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0"}

    def make_key(self, secret: Path, public: Path) -> None:
        """Write the nodes' key for encrypted updates, and the server's public context."""
        self._sealing("new", secret, public)

    def open_sealed(self, secret: Path, sealed: Path, to: Path) -> None:
        """Decrypt a mean of updates."""
        self._sealing("open", secret, sealed, to)

    def _sealing(self, *arguments: str | Path) -> None:
        program = APP / "penchant_federated" / "homomorphic.py"
        command = [self.command("python"), str(program), *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True)
        if ended.returncode:
            raise PenchantError(
                f"CKKS: {ended.stderr.strip().splitlines()[-1:]}",
                "run `make federated-environment` again: it installs tenseal",
            )


@dataclass(frozen=True)
class Link:
    """How nodes and server speak. ``superlink``: host:port. ``certificates``: for TLS. ``secret``
    and ``public``: files of the key of encrypted updates."""

    superlink: str
    certificates: Certificates | None = None
    secret: Path | None = None
    public: Path | None = None

    @property
    def of_server(self) -> list[str]:
        """Options of ``flower-superlink``."""
        if self.certificates is None:
            return ["--insecure"]
        return [
            *("--ssl-certfile", str(self.certificates.certificate)),
            *("--ssl-keyfile", str(self.certificates.key)),
            *("--ssl-ca-certfile", str(self.certificates.authority)),
        ]

    @property
    def of_run(self) -> str:
        """How ``flwr run`` finds the server, in its configuration file."""
        if self.certificates is None:
            return "insecure = true"
        return f"root-certificates = {json.dumps(str(self.certificates.authority))}"

    @property
    def of_nodes(self) -> list[str]:
        """Options of ``penchant federated-node``."""
        found = ["--superlink", self.superlink]
        if self.certificates is not None:
            found += ["--authority", str(self.certificates.authority)]
        return found if self.secret is None else [*found, "--secret-key", str(self.secret)]


def run_rounds(
    flower: Flower,
    folder: Path,
    initial: Arrays,
    node_commands: dict[str, list[str]],
    link: Link,
    rounds: Rounds,
) -> tuple[Arrays, tuple[FederatedRound, ...]]:
    """The shared arrays after the last round, and what each round did.

    ``folder`` gets ``initial.npz``, ``final.npz``, ``rounds.jsonl`` and ``logs/``. All processes
    end with this call. Raises PenchantError when Flower doesn't start or a run doesn't finish.
    """
    np.savez(folder / "initial.npz", *initial)
    logs = folder / "logs"
    logs.mkdir()
    with tempfile.TemporaryDirectory(prefix="penchant-flower-") as home:
        variables = flower.variables(Path(home))
        (Path(home) / "config.toml").write_text(
            '[superlink]\ndefault = "here"\n'
            f'[superlink.here]\naddress = "{link.superlink}"\n{link.of_run}\n'
        )
        port = link.superlink.rpartition(":")[2]
        server = [flower.command("flower-superlink"), *link.of_server, "--port", port]
        server.append("--disable-runtime-dependency-installation")
        with running(server, logs / "superlink.log", variables) as process:
            await_port(int(port), process, logs / "superlink.log")
            with running_nodes(node_commands, logs):
                _run(flower, folder, variables, len(node_commands), rounds, link)
    if link.secret is not None:
        sealed = (folder / "final.npz").rename(folder / "sealed.npz")
        flower.open_sealed(link.secret, sealed, folder / "final.npz")
        sealed.unlink()
    final = unpacked((folder / "final.npz").read_bytes())
    return final, read_rounds(folder / "rounds.jsonl", node_commands)


def _run(
    flower: Flower,
    folder: Path,
    variables: dict[str, str],
    nodes: int,
    rounds: Rounds,
    link: Link,
) -> None:
    config = {
        "folder": str(folder),
        "rounds": rounds.count,
        "rule": rounds.rule,
        "secure": rounds.secure,
        "public-context": str(link.public or ""),
        "nodes": nodes,
        "round-seconds": rounds.round_seconds,
    }
    given = " ".join(f"{name}={json.dumps(value)}" for name, value in config.items())
    command = [flower.command("flwr"), "run", str(APP), "here", "--stream", "--run-config", given]
    path = folder / "logs" / "run.log"
    limit = START_SECONDS + rounds.count * rounds.round_seconds * (4 if rounds.secure else 1)
    with running(command, path, variables) as process:
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            raise PenchantError(
                f"{rounds.count} rounds did not finish in {limit:.0f} s",
                f"see {path} and the nodes' logs beside it",
            ) from None
    if not (folder / "final.npz").exists():
        raise PenchantError(
            f"Flower's run ended without a result: {last_line(path)}",
            f"see {path} and superlink.log beside it",
        )


def read_rounds(path: Path, nodes: Iterable[str]) -> tuple[FederatedRound, ...]:
    """The lines that the server wrote, with the nodes that are in none of a line's lists."""
    found = []
    for line in path.read_text().splitlines():
        each = json.loads(line)
        heard = {*each["answered"], *each["rejected"]}
        missing = tuple(sorted(set(nodes) - heard))
        found.append(FederatedRound(missing=missing, **each))
    return tuple(found)


@contextmanager
def running_nodes(commands: dict[str, list[str]], logs: Path) -> Iterator[None]:
    """All nodes, until the block ends."""
    if not commands:
        yield
        return
    (name, command), *others = commands.items()
    with (
        running(command, logs / f"{name}.log", dict(os.environ)),
        running_nodes(dict(others), logs),
    ):
        yield


@contextmanager
def running(
    command: Sequence[str], path: Path, variables: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, in a session of its own, until the block ends."""
    with path.open("wb") as output:
        process = subprocess.Popen(
            command, env=variables, stdout=output, stderr=output, preexec_fn=die_with_parent
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run_again(command: Callable[[], list[str]], path: Path, variables: dict[str, str]) -> int:
    """Run a process, again each time that it ends by itself; the last exit status.

    On a slow machine Flower gives up its own start, or another process takes its port meanwhile.
    """
    for _ in range(NODE_STARTS):
        with running(command(), path, variables) as process:
            status = process.wait()
    return status


def await_port(port: int, process: subprocess.Popen[bytes], path: Path) -> None:
    """Wait until the process listens. Raises PenchantError when it ends, or after START_SECONDS."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise PenchantError(f"Flower's SuperLink did not start: {last_line(path)}", f"see {path}")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no output"
