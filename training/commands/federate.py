"""The `federate` and `federated-node` stages: train a family over nodes that keep their data."""

import hashlib
import json
import signal
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch

from penchant.artifacts import Mechanism, PrivacySpent, Snapshot
from penchant.artifacts.federated import FederatedRecord
from penchant.encryption.encrypted_file import protect_files
from penchant.encryption.home_files import PLACES
from penchant.errors import PenchantError, UsageError
from penchant.privacy_ledger import PrivacyLedger
from penchant.settings import Settings
from penchant.storage import atomic_directory
from training.commands.privacy_budget import spend
from training.commands.train import read_checked
from training.data.histories import Dataset, IntArray
from training.data.split import split_by_time
from training.federated.comparison import compare
from training.federated.federation import (
    Flower,
    Link,
    Rounds,
    free_port,
    run_again,
    run_rounds,
)
from training.federated.local_training import LocalTraining, local_training, private_training
from training.federated.nodes import over_catalogue, read_assignment, read_catalogue
from training.federated.private_factors import ROUNDS, PrivateItemFactors
from training.federated.tls import Certificates, check_server
from training.federated.worker import serve
from training.privacy.accounting import Guarantee

HOST = "127.0.0.1"

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
        private = f", for epsilon {record.privacy.epsilon:.3f}" if record.privacy else ""
        return (
            f"{'unchanged' if self.repeated else 'trained'} {record.family} at "
            f"{len(record.nodes)} nodes in {len(record.rounds)} rounds by {record.rule}{private}: "
            f"NDCG@10 {ndcg}{named}"
        )

    def as_dict(self) -> dict[str, Any]:
        return {**self.record.as_dict(), "folder": self.folder}


def federate(
    settings: Settings,
    snapshot_id: str,
    family: str,
    assignment: Path,
    rounds: Rounds,
    certificates: Certificates | None = None,
) -> FederateReport:
    """Train a family at nodes on this machine, one for each name in ``assignment``.

    Writes ``federated/<snapshot>/<id>/`` once. Under PENCHANT_DP_EPSILON the home's ledger has what
    the users of all nodes spend: each is in one node alone. Raises UsageError for invalid arguments
    and without Flower's environment, PrivacyRefused where the budget doesn't allow the rounds,
    PenchantError when the run doesn't finish.
    """
    check_rounds(settings, rounds)
    training_of(settings, family)
    snapshot = Snapshot.checked(settings, snapshot_id)
    if certificates is not None:
        certificates.check(HOST)
    dataset = read_checked(snapshot)
    nodes = read_assignment(assignment, dataset.user_ids)
    rounds.check(len(nodes))
    check_users(settings, dataset, nodes)
    flower = Flower(settings.flower)
    flower.command("flwr")
    torch.set_num_threads(settings.training_threads)
    number = _identity(settings, snapshot, family, assignment, rounds)
    final = FederatedRecord.folder(settings, snapshot_id, number)
    if final.exists():
        record = FederatedRecord.read(FederatedRecord.path(final))
        return FederateReport(record, final, repeated=True)
    split = split_by_time(over_catalogue(dataset, dataset.item_ids))
    training = training_of(settings, family, len(nodes))
    entry: PrivacySpent | None = None
    if isinstance(training, PrivateItemFactors):
        entry = spend(settings, snapshot, number, f"federated {family}", training.mechanisms())
    started = time.monotonic()
    with atomic_directory(final) as folder, tempfile.TemporaryDirectory() as work:
        link = Link(f"{HOST}:{free_port()}", certificates)
        if rounds.encrypted:
            link = replace(link, secret=Path(work) / "secret", public=Path(work) / "public")
            flower.make_key(Path(work) / "secret", Path(work) / "public")
        common = ["--family", family, "--snapshot", snapshot_id, *link.of_nodes]
        commands = _node_commands(Path(work), dataset, nodes, common, entry)
        initial = training.initial(len(dataset.item_ids), settings.seed)
        arrays, done = run_rounds(flower, folder, initial, commands, link, rounds)
        seconds = time.monotonic() - started
        ndcg, difference = compare(
            partial(training_of, settings, family),
            arrays,
            split,
            nodes,
            rounds.count,
            settings.seed,
        )
        record = FederatedRecord(
            snapshot_id=snapshot_id,
            family=family,
            rule=rounds.rule,
            secure=rounds.secure,
            encrypted=rounds.encrypted,
            privacy=entry,
            nodes={name: len(rows) for name, rows in nodes.items()},
            rounds=done,
            seconds=round(seconds, 1),
            ndcg={name: asdict(each) for name, each in ndcg.items()},
            difference={name: asdict(each) for name, each in difference.items()},
        )
        protect_files(folder, PLACES["federated"])
        record.write(FederatedRecord.path(folder))
    return FederateReport(record, final, repeated=False)


def training_of(settings: Settings, family: str, nodes: int = 1) -> LocalTraining:
    """Under differential privacy where the home's training needs it. ``nodes``: of which the
    arrays are means. Raises UsageError for a family that can't be trained so."""
    if settings.dp_epsilon is None:
        return local_training(family)
    return private_training(family, Guarantee(settings.dp_epsilon, settings.dp_delta), nodes)


def check_rounds(settings: Settings, rounds: Rounds) -> None:
    """Raises UsageError for other rounds than those of training under differential privacy."""
    if settings.dp_epsilon is not None and (rounds.count, rounds.rule) != (ROUNDS, "fedavg"):
        raise UsageError(
            f"PENCHANT_DP_EPSILON={settings.dp_epsilon:g}: got {rounds.count} rounds of "
            f"{rounds.rule}; nodes share one noisy statistic in each of {ROUNDS} rounds, and the "
            "server adds them",
            f"pass --rounds {ROUNDS} --rule fedavg",
        )


def check_users(settings: Settings, dataset: Dataset, nodes: dict[str, IntArray]) -> None:
    """Raises UsageError for a user of several nodes, who would spend at each of them."""
    if settings.dp_epsilon is None:
        return
    users, nodes_U = np.unique(np.concatenate(list(nodes.values())), return_counts=True)
    if (nodes_U > 1).any():
        first = dataset.user_ids[users[nodes_U > 1][0]]
        raise UsageError(
            f"{(nodes_U > 1).sum()} users are in several nodes, among them {first}: under "
            "PENCHANT_DP_EPSILON one entry of the ledger covers a user of one node",
            "assign each user to one node",
        )


def _node_commands(
    work: Path,
    dataset: Dataset,
    nodes: dict[str, IntArray],
    common: list[str],
    entry: PrivacySpent | None,
) -> dict[str, list[str]]:
    """One command a node; its files are written to ``work``."""
    catalogue = work / "catalogue.txt"
    catalogue.write_text("".join(f"{item_id}\n" for item_id in dataset.item_ids))
    program = str(Path(sys.executable).with_name("penchant"))
    commands = {}
    for name, rows in nodes.items():
        users = work / f"{name}.txt"
        users.write_text("".join(f"{dataset.user_ids[row]}\n" for row in rows))
        own = ["--catalogue", str(catalogue), "--users", str(users), "--name", name]
        if entry is not None:
            grant = work / f"{name}.grant"
            grant.write_text(str(entry.entry))
            own += ["--grant", str(grant)]
        commands[name] = [program, "federated-node", *common, *own]
    return commands


def _identity(
    settings: Settings, snapshot: Snapshot, family: str, assignment: Path, rounds: Rounds
) -> str:
    parts = [snapshot.id, family, settings.seed, asdict(rounds), assignment.read_text()]
    if settings.dp_epsilon is not None:
        parts += [settings.dp_epsilon, settings.dp_delta]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f"{family}-{rounds.rule}{'-secure' if rounds.secure else ''}-{digest[:12]}"


@dataclass(frozen=True)
class Node:
    """``users``: a file of user ids, one a line; None for all of the snapshot. ``authority``: PEM
    file of the certificate by which the server is known; None for a connection without TLS.
    ``secret_key``: file of the nodes' key for encrypted updates. ``grant``: file with the number of
    the ledger's entry that `penchant federate` made for all its nodes, deleted when it is used;
    None to make an entry."""

    name: str
    superlink: str
    catalogue: Path
    users: Path | None = None
    authority: Path | None = None
    secret_key: Path | None = None
    grant: Path | None = None

    @property
    def link(self) -> list[str]:
        """Options of ``flower-supernode``."""
        if self.authority is None:
            return ["--insecure", "--superlink", self.superlink]
        return ["--root-certificates", str(self.authority), "--superlink", self.superlink]

    def config(self, address: str) -> str:
        """For the client, with the worker's address."""
        secret = "" if self.secret_key is None else str(self.secret_key)
        values = {"name": self.name, "address": address, "secret": secret}
        return " ".join(f"{name}={json.dumps(value)}" for name, value in values.items())


def federated_node(settings: Settings, snapshot_id: str, family: str, node: Node) -> None:
    """Train at this node whenever the server asks, until SIGTERM or until Flower's node ends.

    Under PENCHANT_DP_EPSILON the ledger has the entry before the first round. Raises UsageError for
    invalid files and certificates, PrivacyRefused where the budget doesn't allow the rounds,
    PenchantError when Flower's node ends by itself.
    """
    training = training_of(settings, family)
    snapshot = Snapshot.checked(settings, snapshot_id)
    if node.authority is not None:
        check_server(node.superlink, node.authority)
    if node.grant is not None and settings.dp_epsilon is None:
        raise UsageError(
            f"{node.grant}: a grant of training under differential privacy, and "
            "PENCHANT_DP_EPSILON isn't set",
            "set it to what `penchant federate` was called with",
        )
    if isinstance(training, PrivateItemFactors):
        spend_once(settings, snapshot, family, node, training.mechanisms())
    dataset = read_checked(snapshot)
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
                *(*node.link, "--port", str(free_port()), "--node-config", node.config(address)),
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


def spend_once(
    settings: Settings,
    snapshot: Snapshot,
    family: str,
    node: Node,
    mechanisms: tuple[Mechanism, ...],
) -> None:
    """Enter the rounds in the home's ledger, or find the entry that ``federate`` made for them."""
    entered = f"federated {family}"
    if node.grant is None:
        spend(settings, snapshot, f"{entered} as {node.name}", entered, mechanisms)
        return
    alone = "leave --grant out: the node then makes its own entry"
    try:
        number = int(node.grant.read_text())
        node.grant.unlink()
    except (FileNotFoundError, ValueError):
        raise UsageError(f"{node.grant}: no grant, or one that was used", alone) from None
    wanted = (number, snapshot.id, entered, mechanisms)
    entries = PrivacyLedger(settings).entries()
    found = [(each.number, each.snapshot_id, each.family, each.mechanisms) for each in entries]
    if wanted not in found:
        raise UsageError(
            f"{node.grant}: entry {number} of the ledger isn't of {entered} on snapshot "
            f"{snapshot.id} with this epsilon",
            alone,
        )
