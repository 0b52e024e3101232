"""The `federate` and `federated-node` stages: train a family over nodes that keep their data."""

import hashlib
import json
import signal
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any

import structlog
import torch

from penchant.artifacts import Snapshot
from penchant.artifacts.federated import FederatedRecord
from penchant.encryption.encrypted_file import protect_files
from penchant.encryption.home_files import PLACES
from penchant.errors import PenchantError, UsageError
from penchant.settings import Settings
from penchant.storage import atomic_directory
from training.commands.train import read_checked
from training.data.histories import Dataset, IntArray
from training.data.split import split_by_time
from training.federated.comparison import compare
from training.federated.federation import (
    Flower,
    Rounds,
    free_port,
    node_command,
    run_again,
    run_rounds,
)
from training.federated.local_training import local_training
from training.federated.nodes import over_catalogue, read_assignment, read_catalogue
from training.federated.worker import serve

log = structlog.get_logger()


@dataclass(frozen=True)
class FederateReport:
    """``repeated``: the same federation was trained before. ``folder``: of its record."""

    record: FederatedRecord
    folder: Path
    repeated: bool

    def summary(self) -> str:
        record = self.record
        ndcg = ", ".join(f"{name} {each['mean']:.4f}" for name, each in record.ndcg.items())
        troubled = sorted(
            {name for each in record.rounds for name in (*each.rejected, *each.missing)}
        )
        named = f"; not all updates were used of {', '.join(troubled)}" if troubled else ""
        return (
            f"{'unchanged' if self.repeated else 'trained'} {record.family} at "
            f"{len(record.nodes)} nodes in {len(record.rounds)} rounds by {record.rule}: "
            f"NDCG@10 {ndcg}{named}"
        )

    def as_dict(self) -> dict[str, Any]:
        return {**self.record.as_dict(), "folder": self.folder}


def federate(
    settings: Settings, snapshot_id: str, family: str, assignment: Path, rounds: Rounds
) -> FederateReport:
    """Train a family at nodes on this machine, one for each name in ``assignment``.

    Writes ``federated/<snapshot>/<id>/`` once. Raises UsageError for invalid arguments and without
    Flower's environment, PenchantError when the run doesn't finish.
    """
    check_privacy(settings)
    training = local_training(family)
    snapshot = Snapshot.checked(settings, snapshot_id)
    dataset = read_checked(snapshot)
    nodes = read_assignment(assignment, dataset.user_ids)
    rounds.check(len(nodes))
    flower = Flower(settings.flower)
    flower.command("flwr")
    torch.set_num_threads(settings.training_threads)
    final = FederatedRecord.folder(
        settings, snapshot_id, _identity(settings, snapshot, family, assignment, rounds)
    )
    if final.exists():
        record = FederatedRecord.read(FederatedRecord.path(final))
        return FederateReport(record, final, repeated=True)
    split = split_by_time(over_catalogue(dataset, dataset.item_ids))
    started = time.monotonic()
    with atomic_directory(final) as folder, tempfile.TemporaryDirectory() as work:
        superlink = f"127.0.0.1:{free_port()}"
        commands = _node_commands(Path(work), dataset, nodes, family, snapshot_id, superlink)
        initial = training.initial(len(dataset.item_ids), settings.seed)
        arrays, done = run_rounds(flower, folder, initial, commands, superlink, rounds)
        seconds = time.monotonic() - started
        ndcg, difference = compare(training, arrays, split, nodes, rounds.count, settings.seed)
        record = FederatedRecord(
            snapshot_id=snapshot_id,
            family=family,
            rule=rounds.rule,
            secure=rounds.secure,
            nodes={name: len(rows) for name, rows in nodes.items()},
            rounds=done,
            seconds=round(seconds, 1),
            ndcg={name: asdict(each) for name, each in ndcg.items()},
            difference={name: asdict(each) for name, each in difference.items()},
        )
        protect_files(folder, PLACES["federated"])
        record.write(FederatedRecord.path(folder))
    return FederateReport(record, final, repeated=False)


def check_privacy(settings: Settings) -> None:
    """Raises UsageError in a home whose training needs a guarantee of differential privacy."""
    if settings.dp_epsilon is not None:
        raise UsageError(
            f"PENCHANT_DP_EPSILON={settings.dp_epsilon:g}: federated training gives no such "
            "guarantee",
            "train this home's families with `penchant train`, or unset PENCHANT_DP_EPSILON",
        )


def _node_commands(
    work: Path,
    dataset: Dataset,
    nodes: dict[str, IntArray],
    family: str,
    snapshot_id: str,
    superlink: str,
) -> dict[str, list[str]]:
    """One command a node; its files, the catalogue and its users, are written to ``work``."""
    catalogue = work / "catalogue.txt"
    catalogue.write_text("".join(f"{item_id}\n" for item_id in dataset.item_ids))
    commands = {}
    for name, rows in nodes.items():
        users = work / f"{name}.txt"
        users.write_text("".join(f"{dataset.user_ids[row]}\n" for row in rows))
        commands[name] = node_command(family, snapshot_id, catalogue, users, superlink)
    return commands


def _identity(
    settings: Settings, snapshot: Snapshot, family: str, assignment: Path, rounds: Rounds
) -> str:
    parts = [snapshot.id, family, settings.seed, asdict(rounds), assignment.read_text()]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f"{family}-{rounds.rule}{'-secure' if rounds.secure else ''}-{digest[:12]}"


@dataclass(frozen=True)
class Node:
    """``users``: a file of user ids, one a line; None for all of the snapshot."""

    name: str
    superlink: str
    catalogue: Path
    users: Path | None


def federated_node(settings: Settings, snapshot_id: str, family: str, node: Node) -> None:
    """Train at this node whenever the server asks, until SIGTERM or until Flower's node ends.

    Raises UsageError for invalid files, PenchantError when Flower's node ends by itself.
    """
    check_privacy(settings)
    training = local_training(family)
    dataset = read_checked(Snapshot.checked(settings, snapshot_id))
    histories = over_catalogue(dataset, read_catalogue(node.catalogue))
    if node.users is not None:
        wanted = set(node.users.read_text().splitlines())
        rows = [row for row, user_id in enumerate(dataset.user_ids) if user_id in wanted]
        if not rows:
            raise UsageError(f"{node.users}: no user of the snapshot", "give ids, one a line")
        histories = histories.take(torch.tensor(rows).numpy())
    torch.set_num_threads(settings.training_threads)
    train = split_by_time(histories).train
    flower = Flower(settings.flower)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="penchant-node-") as folder:
        address, log_path = f"{folder}/worker", Path(folder) / "supernode.log"
        variables = flower.variables(Path(folder))

        def command() -> list[str]:
            return [
                flower.command("flower-supernode"),
                *("--insecure", "--superlink", node.superlink, "--port", str(free_port())),
                *("--node-config", f"name={json.dumps(node.name)} address={json.dumps(address)}"),
            ]

        # The socket's folder keeps other users of the machine out.
        with Listener(address, "AF_UNIX") as listener:
            work = (listener, training, train, settings.seed)
            threading.Thread(target=serve, args=work, daemon=True).start()
            log.info("node", name=node.name, users=len(train), superlink=node.superlink)
            status = run_again(command, log_path, variables)
            output = log_path.read_text(errors="replace")
    raise PenchantError(
        f"Flower's node {node.name} ended with status {status}: {output[-500:]}",
        "check that the server runs at the address of --superlink",
    )
