"""The privacy claimed is attacked: no canary may be seen better than epsilon allows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from privacy_attacks import Scores, lower_bound
from torch import nn

from penchant.artifacts import Mechanism
from training.data.histories import DAY, Histories, starts
from training.federated.private_factors import PrivateItemFactors
from training.privacy import contributions, gradient, statistics
from training.privacy.accounting import Guarantee, calibrated, epsilon_of
from training.privacy.gradient import noisy_gradient
from training.privacy.noise import Noise
from training.privacy.statistics import noisy_gram, noisy_moments, noisy_sums

DELTA = 1e-6
CANARIES = 2000  # half of them in the data, each with an item of its own: independent trials
SEEDS = range(3)
(MECHANISM,) = calibrated((Mechanism(noise_multiplier=1),), Guarantee(4.0, DELTA))

Release = Callable[[sp.csr_matrix, Noise], Scores]
"""Users x items -> what the attacker sees of each item, as a score."""


def seen_in_sums(rows: sp.csr_matrix, noise: Noise) -> Scores:
    return noisy_sums(rows, MECHANISM, noise)


def seen_in_moments(rows: sp.csr_matrix, noise: Noise) -> Scores:
    found = []
    for part in parts(rows):
        users = part.shape[0]
        moments = noisy_moments(part, part, np.arange(users), users, MECHANISM, noise)
        found.append(sum(moment.diagonal() for moment in moments))
    return np.concatenate(found)


def seen_in_gram(rows: sp.csr_matrix, noise: Noise) -> Scores:
    return np.concatenate([noisy_gram(part, MECHANISM, noise).diagonal() for part in parts(rows)])


def parts(rows: sp.csr_matrix) -> list[sp.csr_matrix]:
    """Of the items: moments are as many as pairs."""
    size = 100
    return [rows[:, first : first + size] for first in range(0, rows.shape[1], size)]


class Squared(nn.Module):
    """The loss of a user whose tensor is the input."""

    def __init__(self, items: int) -> None:
        super().__init__()
        self.weight_I = nn.Parameter(torch.ones(items))

    def forward(self, row_I: torch.Tensor) -> torch.Tensor:
        return (self.weight_I @ row_I).square()


def seen_in_gradient(rows: sp.csr_matrix, noise: Noise) -> Scores:
    users, items = rows.shape
    example = (torch.from_numpy(rows.toarray()).float(),)
    noisy = noisy_gradient(Squared(items), example, users, MECHANISM, noise)
    return noisy["weight_I"].double().numpy()


def seen_by_the_server(rows: sp.csr_matrix, noise: Noise) -> Scores:
    """In the first round of a federation."""
    entries = rows.tocoo()
    users, items = rows.shape
    histories = Histories(
        np.arange(users),
        starts(np.ones(users, np.int64)),
        entries.col.astype(np.int32),
        np.zeros(users, np.int64),
        entries.data.astype(np.float32),
        items,
        DAY,
    )
    node = PrivateItemFactors(Guarantee(4.0, DELTA), 1, noise)
    counts_I, _ = node.trained(node.initial(items, 0), histories, 0)
    return counts_I.astype(np.float64)


RELEASES: dict[str, Release] = {
    "sums": seen_in_sums,
    "moments": seen_in_moments,
    "gram": seen_in_gram,
    "gradient": seen_in_gradient,
    "federation": seen_by_the_server,
}


def attacked(release: Release, seed: int) -> float:
    """The bound on epsilon of an attack on canaries who had one item a thousand times."""
    present_I = np.random.default_rng(seed).permutation(CANARIES) < CANARIES // 2
    rows = sp.diags(np.where(present_I, 1000.0, 0.0)).tocsr()[present_I]
    scores_I = release(rows, key(seed))
    return lower_bound(scores_I[present_I], scores_I[~present_I], DELTA)


def key(number: int = 0) -> Noise:
    return Noise(number.to_bytes(32, "big"))


def without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (contributions, statistics, gradient):
        monkeypatch.setattr(module, "bounded", np.ones_like)


@pytest.mark.parametrize("release", RELEASES)
def test_a_canary_is_seen_no_better_than_claimed(release: str) -> None:
    claimed = epsilon_of([MECHANISM], DELTA)
    found = [attacked(RELEASES[release], seed) for seed in SEEDS]
    assert all(each <= claimed for each in found)
    assert max(found) > 0.1  # the attack isn't blind


@pytest.mark.parametrize("release", RELEASES)
def test_a_mechanism_without_a_bound_is_caught(
    release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_bound(monkeypatch)
    claimed = epsilon_of([MECHANISM], DELTA)
    assert all(attacked(RELEASES[release], seed) > claimed for seed in SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_user_changes_a_statistic_by_more_than_the_bound(seed: int) -> None:
    """With equal noise, two data sets that differ in one user differ by at most 1."""
    random = np.random.default_rng(seed)
    rows = sp.random(200, 15, 0.3, random_state=seed, format="csr") * 10 ** random.uniform(-2, 3)
    goals = sp.random(200, 15, 0.3, random_state=seed + 100, format="csr").sign()
    owner_N = np.sort(random.integers(0, 40, 200))
    for left_out in range(40):
        kept_N = owner_N != left_out
        whole, less = (
            np.concatenate([_upper(moments[0]), moments[1].ravel()])
            for moments in (
                noisy_moments(rows[keep], goals[keep], owner_N[keep], 40, MECHANISM, key(seed))
                for keep in (np.ones(200, bool), kept_N)
            )
        )
        assert np.linalg.norm(whole - less) <= contributions.BOUND + 1e-9
        gram, smaller = (
            _upper(noisy_gram(each, MECHANISM, key(seed)))
            for each in (rows, _without(rows, left_out))
        )
        assert np.linalg.norm(gram - smaller) <= contributions.BOUND + 1e-9
        sums, fewer = (
            noisy_sums(each, MECHANISM, key(seed)) for each in (rows, _without(rows, left_out))
        )
        assert np.linalg.norm(sums - fewer) <= contributions.BOUND + 1e-9


def _upper(matrix_JJ: Any) -> Any:
    return matrix_JJ[np.triu_indices(len(matrix_JJ))]


def _without(rows: sp.csr_matrix, row: int) -> sp.csr_matrix:
    keep_N = np.arange(rows.shape[0]) != row
    return rows[keep_N]


def test_noise_is_normal_secret_and_symmetric_where_it_must_be() -> None:
    values = Noise(bytes(32)).gaussian((200_000,), 3.0)
    assert values.mean() == pytest.approx(0, abs=0.03)
    assert values.std() == pytest.approx(3, rel=0.01)
    assert (np.abs(values) > 9).mean() == pytest.approx(0.0027, abs=0.0006)
    assert not np.array_equal(Noise().gaussian((4,), 1.0), Noise().gaussian((4,), 1.0))
    rows = sp.identity(6, format="csr")
    gram_II, _ = noisy_moments(rows, rows, np.arange(6), 6, MECHANISM, key())
    assert np.array_equal(gram_II, gram_II.T)
