"""Federated training: what a node shares, what a round accepts, and the errors of bad input."""

import json
import os
import socket
import threading
from dataclasses import replace
from multiprocessing.connection import Client, Listener
from pathlib import Path

import numpy as np
import pytest
from certificates import write_certificates

from penchant.errors import DataError, UsageError
from training.commands.federate import Node
from training.data.histories import DAY, Dataset, Histories, starts
from training.federated.federation import (
    Flower,
    Link,
    Rounds,
    free_port,
    read_rounds,
    run_again,
    run_rounds,
)
from training.federated.item_factors import UNKNOWN, ItemFactors
from training.federated.local_training import local_training
from training.federated.nodes import over_catalogue, read_assignment, read_catalogue
from training.federated.sequences import Sequences
from training.federated.worker import ANSWER, FAILURE, packed, serve, unpacked

FLOWER = Path(os.environ.get("PENCHANT_FLOWER", Path(__file__).parents[2] / ".venv-flower"))
ITEMS = 12


def histories(items: range) -> Histories:
    """Twenty users who bought four of ``items`` each, a day apart."""
    random = np.random.default_rng(len(items))
    bought = np.concatenate([random.choice(items, 4, replace=False) for _ in range(20)])
    times = np.tile(np.arange(4) * DAY, 20)
    return Histories(
        np.arange(20),
        starts(np.full(20, 4)),
        bought.astype(np.int32),
        times.astype(np.int64),
        np.ones(80, np.float32),
        ITEMS,
        5 * DAY,
    )


class Adds:
    """Adds 1 a round; ``poison`` is added too, at this node alone."""

    def __init__(self, poison: float = 0.0) -> None:
        self.poison = poison

    def initial(self, item_count: int, seed: int):
        return [np.zeros((item_count, 2), np.float32)]

    def trained(self, arrays, histories, seed):
        return [array + 1 + self.poison for array in arrays]

    def weight(self, histories):
        return len(histories)

    def family(self, arrays, histories):
        raise NotImplementedError


def served(folder: Path, training) -> Path:
    address = folder / "worker"
    listener = Listener(str(address), "AF_UNIX")
    work = (listener, training, histories(range(ITEMS)), 0)
    threading.Thread(target=serve, args=work, daemon=True).start()
    return address


def asked(address: Path, arrays) -> tuple[bytes, bytes]:
    with Client(str(address), "AF_UNIX") as worker:
        worker.send_bytes(packed([np.array(1), *arrays]))
        return worker.recv_bytes(), worker.recv_bytes()


def test_item_that_one_node_sells_keeps_that_nodes_factors() -> None:
    training = ItemFactors()
    before = training.initial(ITEMS, 0)
    left, right = (
        training.trained(before, histories(items), 1) for items in (range(6), range(6, 12))
    )
    weighted_ID, weights_I1 = (np.mean(pair, axis=0) for pair in zip(left, right, strict=True))
    shared_ID = weighted_ID / weights_I1
    sold_ID = left[0][:6] / left[1][:6]
    assert np.abs(shared_ID[:6] - sold_ID).max() < 0.02 * np.abs(sold_ID).max()


def test_item_without_buyers_keeps_its_factors() -> None:
    training = ItemFactors()
    before = training.initial(ITEMS, 0)
    after = training.trained(before, histories(range(6)), 1)
    np.testing.assert_allclose(after[0][6:], before[0][6:], rtol=1e-5)
    assert (after[1][6:] == np.float32(UNKNOWN)).all()


@pytest.mark.parametrize("training", [ItemFactors(), Sequences()], ids=["factors", "sequences"])
def test_no_shared_array_has_a_row_per_user(training) -> None:
    events = histories(range(ITEMS))
    before = training.initial(ITEMS, 0)
    after = training.trained(before, events, 1)
    assert [array.shape for array in after] == [array.shape for array in before]
    assert any((one != other).any() for one, other in zip(before, after, strict=True))
    assert training.family(after, events).scores(events).isfinite().all()


def test_worker_answers_and_names_a_failure(tmp_path: Path) -> None:
    address = served(tmp_path, Adds())
    status, content = asked(address, [np.zeros((ITEMS, 2), np.float32)])
    users, arrays = unpacked(content)
    assert (status, int(users)) == (ANSWER, 20) and (arrays == 1).all()
    status, content = asked(address, [np.full((ITEMS, 2), np.nan, np.float32)])
    assert (status, content) == (
        FAILURE,
        b"training diverged: NaN or infinity in the shared arrays",
    )
    assert asked(address, [np.zeros((ITEMS, 2), np.float32)])[0] == ANSWER


def dataset(item_ids: tuple[str, ...]) -> Dataset:
    events = replace(histories(range(len(item_ids))), item_count=len(item_ids))
    users = tuple(f"u{number}" for number in range(20))
    return Dataset(users, item_ids, events, users=None, items=None)  # type: ignore[arg-type]


def test_events_outside_the_shared_catalogue_are_left_out(tmp_path: Path) -> None:
    catalogue = tmp_path / "items.txt"
    catalogue.write_text("z\nc\na\nb\n")
    found = over_catalogue(dataset(("a", "b", "c", "d")), read_catalogue(catalogue))
    assert set(found.items_N.tolist()) == {1, 2, 3} and found.item_count == 4
    with pytest.raises(DataError, match="shared catalogue"):
        over_catalogue(dataset(("e", "f", "g", "h")), ["a"])
    catalogue.write_text("a\na\n")
    with pytest.raises(UsageError, match="2 lines with 1 different"):
        read_catalogue(catalogue)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("user,node\nu1,a\n", "has the columns"),
        ("user_id,node\nu1,a\nu2,a\nu3,b\n", "1 nodes have 2 users"),
        ("user_id,node\nx1,a\nx2,a\n", "0 nodes"),
    ],
)
def test_assignment_that_makes_no_federation(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "nodes.csv"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        read_assignment(path, ["u1", "u2", "u3"])


@pytest.mark.parametrize(
    ("rounds", "nodes", "message"),
    [
        (Rounds(3, "median", secure=False), 4, "unknown rule 'median'"),
        (Rounds(0, "fedavg", secure=False), 4, "0 rounds"),
        (Rounds(3, "trimmed", secure=True), 4, "nothing can be trimmed"),
        (Rounds(3, "fedavg", secure=True), 2, "--secure needs 3"),
        (Rounds(3, "fedavg", secure=True, encrypted=True), 4, "got --secure with --encrypted"),
        (Rounds(3, "fedadam", secure=False, encrypted=True), 4, "got the rule fedadam with"),
    ],
)
def test_rounds_that_cannot_be_run(rounds: Rounds, nodes: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        rounds.check(nodes)


def test_family_and_environment_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="popularity can't be trained in a federation"):
        local_training("popularity")
    with pytest.raises(UsageError, match="has no flwr"):
        Flower(tmp_path).command("flwr")


def test_node_that_ends_is_started_again(tmp_path: Path) -> None:
    ports = iter(["1", "2", "3"])
    log, tried = tmp_path / "log", tmp_path / "tried"
    status = run_again(
        lambda: ["sh", "-c", f"echo {next(ports)} >> '{tried}'; exit 7"], log, dict(os.environ)
    )
    assert (status, tried.read_text().split()) == (7, ["1", "2", "3"])


def test_node_that_did_not_answer_is_named(tmp_path: Path) -> None:
    line = {"round": 1, "answered": ["a"], "rejected": {"b": "NaN or infinity"}, "failed": []}
    path = tmp_path / "rounds.jsonl"
    path.write_text(json.dumps(line) + "\n")
    (found,) = read_rounds(path, ["a", "b", "c"])
    assert found.missing == ("c",)


class NeverEnds(Adds):
    """A straggler."""

    def trained(self, arrays, histories, seed):
        threading.Event().wait()


def sends_nan(folder: Path) -> Path:
    """A worker that sends NaN, which Penchant's own doesn't."""
    address = folder / "worker"
    listener = Listener(str(address), "AF_UNIX")

    def answer_for_ever() -> None:
        while True:
            with listener.accept() as connection:
                _, array = unpacked(connection.recv_bytes())
                connection.send_bytes(ANSWER)
                connection.send_bytes(packed([np.array(20), np.full_like(array, np.nan)]))

    threading.Thread(target=answer_for_ever, daemon=True).start()
    return address


def supernode(folder: Path, node: Node, address: Path) -> list[str]:
    return [
        *("env", f"PATH={FLOWER / 'bin'}:{os.environ['PATH']}", f"FLWR_HOME={folder}"),
        *(Flower(FLOWER).command("flower-supernode"), *node.link, "--port", str(free_port())),
        *("--node-config", node.config(str(address))),
    ]


@pytest.mark.long
@pytest.mark.skipif(not (FLOWER / "bin" / "flwr").exists(), reason="no Flower environment")
def test_rounds_survive_dead_slow_broken_and_poisoned_nodes(tmp_path: Path) -> None:
    """Of six nodes one never comes, one never ends, one sends NaN and one sends updates of a
    thousand times the size."""
    flower, superlink = Flower(FLOWER), f"127.0.0.1:{free_port()}"
    commands = {"dead": ["sleep", "600"]}
    workers = {"first": Adds(), "second": Adds(), "poisoned": Adds(1000.0), "slow": NeverEnds()}
    for name in (*workers, "nan"):
        folder = tmp_path / name
        folder.mkdir()
        address = served(folder, workers[name]) if name in workers else sends_nan(folder)
        commands[name] = supernode(folder, Node(name, superlink, folder), address)
    rounds = Rounds(2, "fedavg", secure=False, round_seconds=60)
    link = Link(superlink)
    (final,), done = run_rounds(flower, tmp_path, Adds().initial(3, 0), commands, link, rounds)
    assert [each.missing for each in done] == [("dead", "slow"), ("dead", "slow")]
    assert [each.rejected["nan"] for each in done] == ["NaN or infinity"] * 2
    assert "was shortened" in done[0].rejected["poisoned"]
    assert final.max() < 10 and np.isfinite(final).all()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(superlink.split(":")[1]))) != 0


@pytest.mark.long
@pytest.mark.skipif(not (FLOWER / "bin" / "flwr").exists(), reason="no Flower environment")
def test_encrypted_updates_are_added_over_tls(tmp_path: Path) -> None:
    """The third node sends its update as it is, which the server doesn't take."""
    flower, superlink = Flower(FLOWER), f"127.0.0.1:{free_port()}"
    secret, public = tmp_path / "secret", tmp_path / "public"
    flower.make_key(secret, public)
    assert secret.stat().st_mode & 0o77 == 0 and public.stat().st_size < 1000
    certificates = write_certificates(tmp_path)
    commands = {}
    for name, training in {"one": Adds(), "two": Adds(2.0), "plain": Adds()}.items():
        folder = tmp_path / name
        folder.mkdir()
        key = None if name == "plain" else secret
        node = Node(name, superlink, folder, authority=certificates.authority, secret_key=key)
        commands[name] = supernode(folder, node, served(folder, training))
    rounds = Rounds(2, "fedavg", secure=False, round_seconds=60, encrypted=True)
    link = Link(superlink, certificates, secret, public)
    (final,), done = run_rounds(flower, tmp_path, Adds().initial(3000, 0), commands, link, rounds)
    np.testing.assert_allclose(final, np.full((3000, 2), 4.0), atol=1e-4)
    assert [each.answered for each in done] == [("one", "two")] * 2
    assert done[0].rejected == {"plain": "not encrypted"}
