"""What protecting the updates of a federation costs: plain, SecAgg+ and CKKS on the same arrays.

The nodes train nothing, so that all of a round is Flower's and the protection's. Bytes are those of
the loopback device: run it in a network namespace of its own, `unshare -n`, after `ip link set lo
up`.
"""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import grid
from benchmarks.simulated_histories import simulated_histories
from penchant.settings import Settings
from training.commands.federate import HOST, Node
from training.data.histories import Histories
from training.federated.federation import Flower, Link, Rounds, free_port, run_rounds
from training.federated.local_training import Arrays
from training.federated.worker import serve
from training.fitting.family import Ranker

TITLE = "What protected updates cost"
ROUNDS = 3
WAYS = {
    "plain": Rounds(ROUNDS, "fedavg", secure=False),
    "SecAgg+": Rounds(ROUNDS, "fedavg", secure=True),
    "CKKS": Rounds(ROUNDS, "fedavg", secure=False, encrypted=True),
}


@dataclass
class Steps:
    """Adds normal values, and notes when each round began, and the bytes of the device by then."""

    began: dict[int, tuple[float, int]] = field(default_factory=dict)

    def initial(self, item_count: int, seed: int) -> Arrays:
        return [np.zeros((item_count, 64), np.float32), np.zeros((item_count, 1), np.float32)]

    def trained(self, arrays: Arrays, histories: Histories, seed: int) -> Arrays:
        self.began.setdefault(seed, (time.monotonic(), loopback_bytes()))
        random = np.random.default_rng(seed)  # the same at each node
        return [each + random.normal(size=each.shape).astype(np.float32) / 10 for each in arrays]

    def weight(self, histories: Histories) -> int:
        return len(histories)

    def family(self, arrays: Arrays, histories: Histories) -> Ranker:
        raise NotImplementedError


def measure(settings: Settings, *, items: int = 5_000, nodes: int = 4) -> dict[str, Any]:
    rows = [_row(name, settings, rounds, items, nodes) for name, rounds in WAYS.items()]
    return {"items": items, "nodes": nodes, "values": 65 * items, "rows": rows}


def _row(name: str, settings: Settings, rounds: Rounds, items: int, nodes: int) -> list[str]:
    flower, steps = Flower(settings.flower), Steps()
    link = Link(f"{HOST}:{free_port()}")
    with tempfile.TemporaryDirectory() as work, ExitStack() as listening:
        if rounds.encrypted:
            link = replace(link, secret=Path(work) / "secret", public=Path(work) / "public")
            flower.make_key(Path(work) / "secret", Path(work) / "public")
        commands = {}
        for number in range(nodes):
            folder = Path(work) / f"node-{number}"
            folder.mkdir()
            address = listening.enter_context(_served(folder, steps))
            node = Node(folder.name, link.superlink, folder, secret_key=link.secret)
            commands[folder.name] = [
                *("env", f"PATH={flower.environment / 'bin'}:{os.environ['PATH']}"),
                *(f"FLWR_HOME={folder}", flower.command("flower-supernode"), *node.link),
                *("--port", str(free_port()), "--node-config", node.config(address)),
            ]
        initial = steps.initial(items, 0)
        final, _ = run_rounds(flower, Path(work), initial, commands, link, rounds)
    expected = initial
    for number in range(1, ROUNDS + 1):
        expected = Steps().trained(expected, _anybody(), number)
    error = max(
        float(np.abs(one - other).max()) for one, other in zip(final, expected, strict=True)
    )
    (first, sent), (last, sent_by_then) = steps.began[1], steps.began[ROUNDS]
    seconds, megabytes = last - first, (sent_by_then - sent) / 1e6
    per_round = ROUNDS - 1
    return [name, f"{seconds / per_round:.1f}", f"{megabytes / per_round:.1f}", f"{error:.0e}"]


@contextmanager
def _served(folder: Path, steps: Steps) -> Iterator[str]:
    """The address of a node's worker."""
    address = str(folder / "worker")
    with Listener(address, "AF_UNIX") as listener:
        work = (listener, steps, _anybody(), 0)
        threading.Thread(target=serve, args=work, daemon=True).start()
        yield address


def _anybody() -> Histories:
    return simulated_histories(10, 50, 0).histories


def loopback_bytes() -> int:
    """Sent over the loopback device since the machine started."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    (counts,) = (line.split(":")[1].split() for line in lines if line.strip().startswith("lo:"))
    return int(counts[0])


def page(figures: dict[str, Any]) -> str:
    head = ("updates", "seconds a round", "MB a round", "largest error of the sum")
    return (
        f"{figures['nodes']} nodes with arrays of {figures['values']:,} values "
        f"({4 * figures['values'] / 1e6:.1f} MB in float32). Nothing is trained: seconds are of "
        "Flower's processes and of the protection. MB are of the loopback device, to and from all "
        "nodes, with what passes between Flower's own processes at each. SecAgg+ rounds more the "
        "smaller a node's weight is: here 10 users of at most 10,000.\n\n"
        f"{grid(head, figures['rows'])}"
    )
