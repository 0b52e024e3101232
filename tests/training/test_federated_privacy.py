"""Federated training under differential privacy: each node releases two noisy statistics, once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from penchant.artifacts import LedgerEntry, Snapshot
from penchant.errors import PenchantError, PrivacyRefused, UsageError
from penchant.privacy_ledger import PrivacyLedger
from penchant.settings import Settings
from training.commands.federate import Node, federate, federated_node
from training.data.histories import DAY, Histories, read_dataset, starts
from training.federated.federation import Rounds
from training.federated.private_factors import UNIT, PrivateItemFactors
from training.privacy.accounting import Guarantee, epsilon_of
from training.privacy.noise import Noise

Planted = tuple[Settings, str]
LOOSE = Guarantee(8.0, 1e-6)
ITEMS, USERS = 20, 300


def bought(items: range) -> Histories:
    """Users who bought three neighbouring ones of ``items``."""
    random = np.random.default_rng(len(items))
    firsts_U = random.integers(items.start, items.stop - 2, USERS)
    found = (firsts_U[:, None] + np.arange(3)).ravel().astype(np.int32)
    times, weights = np.zeros(len(found), np.int64), np.ones(len(found), np.float32)
    rows = np.arange(USERS), starts(np.full(USERS, 3))
    return Histories(*rows, found, times, weights, ITEMS, DAY)


def key(number: int) -> Noise:
    return Noise(number.to_bytes(32, "big"))


def rounds_of(nodes: list[PrivateItemFactors], data: list[Histories]) -> list[np.ndarray]:
    arrays = nodes[0].initial(ITEMS, 0)
    for _ in range(2):
        answers = [
            node.trained(arrays, histories, 0) for node, histories in zip(nodes, data, strict=True)
        ]
        arrays = [np.mean(each, axis=0) for each in zip(*answers, strict=True)]
    return arrays


def test_nodes_together_learn_what_items_of_both_are_bought_with() -> None:
    data = [bought(range(10)), bought(range(10, 20))]
    arrays = rounds_of([PrivateItemFactors(LOOSE, 1, key(each)) for each in range(2)], data)
    family = PrivateItemFactors(LOOSE, nodes=2).family(arrays, data[0])
    for histories in data:
        scores_UI = family.scores(histories).numpy()
        own_U = np.array([scores_UI[user, histories.items_N[3 * user]] for user in range(USERS)])
        assert (own_U > np.median(scores_UI, axis=1)).mean() > 0.95


def test_a_node_releases_each_statistic_once() -> None:
    """A server that asks again, or for other items, learns nothing more."""
    node, histories = PrivateItemFactors(Guarantee(1.0, 1e-6)), bought(range(ITEMS))
    zeros = node.initial(ITEMS, 0)
    counts_I, _ = node.trained(zeros, histories, 0)
    np.testing.assert_array_equal(node.trained(zeros, histories, 1)[0], counts_I)
    _, gram_JJ = node.trained([counts_I, zeros[1]], histories, 1)
    _, again_JJ = node.trained([-counts_I, zeros[1]], histories, 2)
    np.testing.assert_array_equal(again_JJ, gram_JJ)
    assert node.weight(histories) == node.weight(histories.take(np.arange(5)))


def test_noise_is_that_of_the_mechanisms() -> None:
    node, histories = PrivateItemFactors(Guarantee(1.0, 1e-6)), bought(range(ITEMS))
    counting, _ = node.mechanisms()
    assert epsilon_of(node.mechanisms(), 1e-6) <= 1.0
    zeros = node.initial(ITEMS, 0)
    released = [
        PrivateItemFactors(Guarantee(1.0, 1e-6), 1, key(each)).trained(zeros, histories, 0)[0]
        for each in range(100)
    ]
    deviation = np.std(released, axis=0).mean() / UNIT
    assert deviation == pytest.approx(counting.noise_multiplier, rel=0.05)


@pytest.fixture
def private(planted: Planted) -> Planted:
    settings, snapshot_id = planted
    return settings.model_copy(update={"dp_epsilon": 1.0, "dp_budget": 1.5}), snapshot_id


@pytest.fixture
def node(private: Planted, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path | None], LedgerEntry]:
    """Starts a node, which ends when it reads data; returns the newest entry by then."""
    settings, snapshot_id = private

    def stop(_: object) -> None:
        raise PenchantError("read data", "")

    monkeypatch.setattr("training.commands.federate.read_checked", stop)

    def start(grant: Path | None) -> LedgerEntry:
        found = Node("north", "127.0.0.1:1", Path("items.txt"), grant=grant)
        with pytest.raises(PenchantError, match="read data"):
            federated_node(settings, snapshot_id, "matrix_factorization", found)
        return PrivacyLedger(settings).entries()[-1]

    return start


def test_a_node_spends_before_it_reads_data(
    private: Planted, node: Callable[[Path | None], LedgerEntry], tmp_path: Path
) -> None:
    settings, snapshot_id = private
    grant = tmp_path / "north.grant"
    grant.write_text("1")
    entry = node(None)
    assert (entry.number, entry.family) == (1, "federated matrix_factorization")
    assert (entry.run_id, entry.snapshot_id) == (f"{entry.family} as north", snapshot_id)
    assert 0.99 < entry.epsilon <= 1
    assert node(grant) == entry  # as if `federate` had made it
    assert not grant.exists()
    assert node(None).number == 2
    with pytest.raises(PrivacyRefused, match=r"more than PENCHANT_DP_BUDGET=1\.5"):
        federated_node(
            settings,
            snapshot_id,
            "matrix_factorization",
            Node("south", "127.0.0.1:1", Path("items.txt")),
        )


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("3", "entry 3 of the ledger isn't of federated matrix_factorization on snapshot s-"),
        (None, "no grant, or one that was used"),
    ],
)
def test_a_grant_of_something_else_is_refused(
    private: Planted, tmp_path: Path, content: str | None, cause: str
) -> None:
    settings, snapshot_id = private
    grant = tmp_path / "north.grant"
    if content is not None:
        grant.write_text(content)
    node = Node("north", "127.0.0.1:1", tmp_path / "items.txt", grant=grant)
    with pytest.raises(UsageError, match=cause):
        federated_node(settings, snapshot_id, "matrix_factorization", node)


def test_a_grant_without_an_epsilon_is_refused(planted: Planted, tmp_path: Path) -> None:
    settings, snapshot_id = planted
    node = Node("north", "127.0.0.1:1", tmp_path, grant=tmp_path / "north.grant")
    with pytest.raises(UsageError, match="PENCHANT_DP_EPSILON isn't set"):
        federated_node(settings, snapshot_id, "matrix_factorization", node)


def test_a_user_of_two_nodes_is_refused(private: Planted, tmp_path: Path) -> None:
    settings, snapshot_id = private
    user_ids = read_dataset(Snapshot.checked(settings, snapshot_id)).user_ids[:4]
    lines = [f"{user},{node}" for node in ("north", "south") for user in user_ids[:3]]
    assignment = tmp_path / "nodes.csv"
    assignment.write_text("\n".join(["user_id,node", *lines]))
    with pytest.raises(UsageError, match="3 users are in several nodes, among them"):
        federate(
            settings,
            snapshot_id,
            "matrix_factorization",
            assignment,
            Rounds(2, "fedavg", secure=False),
        )


@pytest.mark.parametrize(
    ("family", "rounds", "cause"),
    [
        ("gru", Rounds(2, "fedavg", secure=False), "gru can't be trained in a federation under"),
        ("matrix_factorization", Rounds(5, "fedavg", secure=False), "got 5 rounds of fedavg"),
        ("matrix_factorization", Rounds(2, "trimmed", secure=False), "got 2 rounds of trimmed"),
    ],
)
def test_what_cannot_be_guaranteed_is_refused(
    private: Planted, family: str, rounds: Rounds, cause: str
) -> None:
    settings, snapshot_id = private
    with pytest.raises(UsageError, match=f"PENCHANT_DP_EPSILON=1: {cause}"):
        federate(settings, snapshot_id, family, Path("nodes.csv"), rounds)
    assert PrivacyLedger(settings).entries() == ()
