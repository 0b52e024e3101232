"""Propensities: they sum to one, they are what is drawn, and Thompson's are what theory says."""

import math

import numpy as np
import pytest

from penchant.bandits.dynamic import Dynamic, ExplorationConfig, Signals
from penchant.bandits.policies import EpsilonGreedy, Policy, Thompson, UpperConfidence
from penchant.bandits.posterior import LinearPosterior
from penchant.bandits.slates import (
    ActionScores,
    action_probabilities,
    draw_slate,
    draw_slates,
    slate_propensities,
)
from penchant.errors import UsageError

CANDIDATES, DIMENSIONS, LENGTH = 5, 3, 3


def signals(rows: int) -> Signals:
    tired_BC = np.tile(np.arange(CANDIDATES) / CANDIDATES, (rows, 1))
    return Signals(np.full(rows, 0.5), np.full(rows, 0.2), np.full(rows, 0.4), tired_BC)


POLICIES = {
    "greedy": lambda rows: EpsilonGreedy(0.0),
    "epsilon": lambda rows: EpsilonGreedy(0.3),
    "ucb": lambda rows: UpperConfidence(1.5, floor=0.1),
    "thompson": lambda rows: Thompson(7, floor=0.05),
    "dynamic": lambda rows: Dynamic(
        ExplorationConfig(floor=0.05, base=0.0, draws=5), signals(rows)
    ),
}


def scores_of(policy: Policy, rows: int, seed: int = 0) -> ActionScores:
    """Of the same request, ``rows`` times; the last candidate of it is not there."""
    random = np.random.default_rng(seed)
    features_1CD = random.standard_normal((1, CANDIDATES, DIMENSIONS))
    features_ND = random.standard_normal((30, DIMENSIONS))
    posterior = LinearPosterior.prior(1, DIMENSIONS).updated(
        features_ND, features_ND @ np.array([1.0, 0.5, -0.5])
    )
    present_BC = np.ones((rows, CANDIDATES), bool)
    present_BC[:, -1] = False
    belief = posterior.for_candidates(np.repeat(features_1CD, rows, axis=0))
    return policy.action_scores(belief, present_BC, random)


@pytest.mark.parametrize("name", POLICIES)
def test_propensities_sum_to_one_at_every_position(name: str) -> None:
    voted = scores_of(POLICIES[name](4), 4)
    actions_BK = draw_slates(voted, LENGTH, np.random.default_rng(1)).actions_BK
    for position in range(LENGTH):
        total_B = np.zeros(4)
        for candidate in range(CANDIDATES):
            tried_BK = actions_BK.copy()
            tried_BK[:, position] = candidate
            free_B = (actions_BK[:, :position] != candidate).all(axis=1)
            total_B += np.where(
                free_B, slate_propensities(voted, tried_BK[:, : position + 1])[:, position], 0
            )
        absent_B = voted.uniform_B / (CANDIDATES - 1 - position)  # the last is no candidate
        np.testing.assert_allclose(total_B - absent_B, 1)
    np.testing.assert_allclose(action_probabilities(voted).sum(axis=1), 1)


@pytest.mark.parametrize("name", POLICIES)
def test_slate_frequencies_equal_their_propensities(name: str) -> None:
    rows = 60_000
    voted = scores_of(POLICIES[name](1), 1)
    same = ActionScores(
        np.repeat(voted.scores_BVC, rows, axis=0),
        np.repeat(voted.weights_BV, rows, axis=0),
        np.repeat(voted.uniform_B, rows),
        np.repeat(voted.present_BC, rows, axis=0),
    )
    slates = draw_slates(same, LENGTH, np.random.default_rng(2))
    np.testing.assert_allclose(
        slates.propensities_BK, slate_propensities(same, slates.actions_BK), rtol=1e-12
    )
    whole_B = slates.propensities_BK.prod(axis=1)
    found, first, times = np.unique(
        slates.actions_BK, axis=0, return_index=True, return_counts=True
    )
    assert all(len(set(slate)) == LENGTH and CANDIDATES - 1 not in slate for slate in found)
    chance = whole_B[first]
    within = 4.5 * np.sqrt(chance * (1 - chance) / rows) + 1e-12
    assert (np.abs(times / rows - chance) <= within).all()


def test_epsilon_greedy_equals_the_closed_form() -> None:
    scores_BC = np.array([[3.0, 2.0, 1.0]])
    voted = ActionScores(
        scores_BC[:, None], np.ones((1, 1)), np.array([0.3]), np.ones((1, 3), bool)
    )
    np.testing.assert_allclose(action_probabilities(voted), [[0.8, 0.1, 0.1]])
    np.testing.assert_allclose(slate_propensities(voted, np.array([[1, 0, 2]])), [[0.1, 0.85, 1.0]])


def test_thompson_sampling_agrees_with_the_closed_form() -> None:
    posterior = LinearPosterior.prior(1, 2, precision=1.0).updated(
        np.eye(2).repeat([1, 5], axis=0), np.array([1.0, 0.2, 0.2, 0.2, 0.2, 0.2])
    )
    features_1CD = np.eye(2)[None]
    mean_D, covariance_DD = posterior.weights.mean_AD[0], posterior.weights.covariance_ADD[0]
    gap = mean_D[0] - mean_D[1]
    deviation = math.sqrt(np.array([1, -1]) @ covariance_DD @ np.array([1, -1]))
    first_is_best = 0.5 * (1 + math.erf(gap / deviation / math.sqrt(2)))
    draws = 40_000
    voted = Thompson(draws, floor=0.0).action_scores(
        posterior.for_candidates(features_1CD), np.ones((1, 2), bool), np.random.default_rng(3)
    )
    assert abs(action_probabilities(voted)[0, 0] - first_is_best) < 4 / (2 * math.sqrt(draws))


def estimated_marginals(
    scores: ActionScores, length: int, random: np.random.Generator, repeats: int
) -> np.ndarray:
    """probability_BKC of each candidate at each position: an unbiased Monte Carlo estimate."""
    shape = (len(scores.uniform_B), length, scores.present_BC.shape[1])
    total_BKC = np.zeros(shape)
    rows_B = np.arange(shape[0])
    for _ in range(repeats):
        left_BC = scores.present_BC.copy()
        actions_BK = draw_slates(scores, length, random).actions_BK
        for position in range(length):
            rest = ActionScores(scores.scores_BVC, scores.weights_BV, scores.uniform_B, left_BC)
            total_BKC[:, position] += action_probabilities(rest)
            left_BC[rows_B, actions_BK[:, position]] = False
    return total_BKC / repeats


def test_monte_carlo_marginals_agree_with_simulation() -> None:
    rows, repeats = 40_000, 400
    one = scores_of(POLICIES["thompson"](1), 1)
    estimated_1KC = estimated_marginals(one, LENGTH, np.random.default_rng(4), repeats)
    np.testing.assert_allclose(estimated_1KC.sum(axis=2), 1)
    np.testing.assert_allclose(estimated_1KC[:, 0], action_probabilities(one))
    same = scores_of(POLICIES["thompson"](1), 1)
    same = ActionScores(
        *(np.repeat(part, rows, axis=0) for part in (same.scores_BVC, same.weights_BV)),
        np.repeat(same.uniform_B, rows),
        np.repeat(same.present_BC, rows, axis=0),
    )
    actions_BK = draw_slates(same, LENGTH, np.random.default_rng(5)).actions_BK
    for position in range(LENGTH):
        seen_C = np.bincount(actions_BK[:, position], minlength=CANDIDATES) / rows
        np.testing.assert_allclose(estimated_1KC[0, position], seen_C, atol=0.04)


def test_same_seed_gives_the_same_slates() -> None:
    one, other = (
        draw_slates(scores_of(POLICIES["dynamic"](9), 9), LENGTH, np.random.default_rng(7))
        for _ in range(2)
    )
    assert (one.actions_BK == other.actions_BK).all()
    assert (one.propensities_BK == other.propensities_BK).all()


def test_exploration_follows_signals_within_floor_and_ceiling() -> None:
    exploration = ExplorationConfig(floor=0.05, ceiling=0.4)
    known, unknown = np.array([0.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0])
    tired_BC = np.zeros((3, 2))
    calm = exploration.shares(Signals(known, known, known, tired_BC))
    wild = exploration.shares(Signals(unknown, unknown, unknown, tired_BC))
    assert (calm >= 0.05).all() and (calm < wild).all() and (wild <= 0.4).all()


def test_rejects_a_slate_longer_than_its_candidates() -> None:
    with pytest.raises(UsageError, match="has 4 candidates for a slate of 5"):
        draw_slates(scores_of(POLICIES["greedy"](2), 2), 5, np.random.default_rng(0))
    with pytest.raises(UsageError, match=r"epsilon: must be from 0 to 1, got 1\.5"):
        EpsilonGreedy(1.5)
    with pytest.raises(UsageError, match=r"at most the ceiling 0\.1, got 0\.5"):
        ExplorationConfig(floor=0.5, ceiling=0.1)


@pytest.mark.parametrize("name", POLICIES)
def test_single_slate_is_that_of_the_batch(name: str) -> None:
    scores = scores_of(POLICIES[name](1), 1)
    for seed in range(30):
        batch = draw_slates(scores, LENGTH, np.random.default_rng(seed))
        actions, propensities_KC = draw_slate(scores, LENGTH, np.random.default_rng(seed))
        assert actions == tuple(batch.actions_BK[0])
        np.testing.assert_allclose(
            propensities_KC[range(LENGTH), actions], batch.propensities_BK[0]
        )
        np.testing.assert_allclose(propensities_KC[0], action_probabilities(scores)[0])
        np.testing.assert_allclose(propensities_KC.sum(axis=1), 1)
