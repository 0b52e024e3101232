"""Posteriors against closed forms."""

import numpy as np
import pytest

from penchant.bandits.logistic import LogisticPosterior, sigmoid
from penchant.bandits.policies import UpperConfidence
from penchant.bandits.posterior import LinearPosterior
from penchant.bandits.slates import slate_propensities
from penchant.errors import DataError


def rows(seed: int = 0, arms: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    features_ND = random.standard_normal((50, 4))
    return features_ND, random.standard_normal(50), random.integers(0, arms, 50)


def test_linear_regression_is_the_ridge_solution_of_each_arm() -> None:
    features_ND, rewards_N, arms_N = rows()
    posterior = LinearPosterior.prior(3, 4, precision=2.0, noise=0.5)
    posterior = posterior.updated(features_ND, rewards_N, arms_N)
    for arm in range(3):
        own = features_ND[arms_N == arm], rewards_N[arms_N == arm]
        precision = 2.0 * np.eye(4) + own[0].T @ own[0] / 0.25
        np.testing.assert_allclose(posterior.weights.covariance_ADD[arm], np.linalg.inv(precision))
        mean = np.linalg.solve(precision, own[0].T @ own[1] / 0.25)
        np.testing.assert_allclose(posterior.weights.mean_AD[arm], mean, atol=1e-12)


def test_batch_update_equals_sequential_updates() -> None:
    features_ND, rewards_N, arms_N = rows()
    whole = LinearPosterior.prior(3, 4).updated(features_ND, rewards_N, arms_N)
    parts = LinearPosterior.prior(3, 4)
    for part in np.array_split(np.arange(50), 7):
        parts = parts.updated(features_ND[part], rewards_N[part], arms_N[part])
    np.testing.assert_allclose(whole.weights.mean_AD, parts.weights.mean_AD)
    again = LinearPosterior.from_state(whole.state())
    np.testing.assert_array_equal(again.weights.mean_AD, whole.weights.mean_AD)


def test_full_discount_restores_the_prior() -> None:
    features_ND, rewards_N, arms_N = rows()
    prior = LinearPosterior.prior(3, 4, precision=2.0, mean_D=np.arange(4.0))
    learned = prior.updated(features_ND, rewards_N, arms_N)
    np.testing.assert_allclose(learned.discounted(1.0).weights.mean_AD, prior.weights.mean_AD)
    half = learned.discounted(0.5).weights.covariance_ADD
    assert (np.diagonal(half, 0, 1, 2) > np.diagonal(learned.weights.covariance_ADD, 0, 1, 2)).all()


def test_candidate_and_arm_posteriors_agree() -> None:
    features_ND, rewards_N, arms_N = rows()
    posterior = LinearPosterior.prior(3, 4).updated(features_ND, rewards_N, arms_N)
    context_BD = features_ND[:6]
    for_arms = posterior.for_arms(context_BD)
    for arm in range(3):
        own = posterior.for_candidates(context_BD[:, None], np.full(6, arm))
        np.testing.assert_allclose(for_arms.mean_BC[:, arm], own.mean_BC[:, 0])
        np.testing.assert_allclose(for_arms.deviation_BC[:, arm], own.deviation_BC[:, 0])


def test_draws_have_the_posterior_mean_and_deviation() -> None:
    features_ND, rewards_N, arms_N = rows()
    posterior = LinearPosterior.prior(3, 4).updated(features_ND, rewards_N, arms_N)
    features_BCD = features_ND[:10].reshape(2, 5, 4)
    for belief in (
        posterior.for_candidates(features_BCD),
        posterior.for_candidates(features_BCD, np.array([2, 1])),
        posterior.for_arms(features_ND[:2]),
    ):
        draws_BVC = belief.draws(20_000, np.random.default_rng(1))
        np.testing.assert_allclose(draws_BVC.mean(axis=1), belief.mean_BC, atol=0.03)
        np.testing.assert_allclose(draws_BVC.std(axis=1), belief.deviation_BC, rtol=0.05)


def test_logistic_regression_is_at_the_mode_with_its_curvature() -> None:
    features_ND, noise_N, arms_N = rows(1)
    clicks_N = (sigmoid(features_ND @ np.array([2.0, -1, 0, 0.5])) > 0.5 + 0.2 * noise_N) * 1.0
    posterior = LogisticPosterior.prior(3, 4, precision=0.7).updated(features_ND, clicks_N, arms_N)
    for arm in range(3):
        own_ND, own_N = features_ND[arms_N == arm], clicks_N[arms_N == arm]
        mode_D = posterior.weights.mean_AD[arm]
        chance_N = sigmoid(own_ND @ mode_D)
        gradient_D = 0.7 * mode_D + own_ND.T @ (chance_N - own_N)
        np.testing.assert_allclose(gradient_D, 0, atol=1e-6)
        curvature = 0.7 * np.eye(4) + (own_ND.T * (chance_N * (1 - chance_N))) @ own_ND
        np.testing.assert_allclose(posterior.precision_ADD[arm], curvature, rtol=1e-6)


def test_logistic_regression_converges_on_separable_data() -> None:
    features_ND = np.linspace(-30, 30, 40)[:, None]
    clicks_N = (features_ND[:, 0] > 0) * 1.0
    posterior = LogisticPosterior.prior(1, 1).updated(features_ND, clicks_N)
    assert np.isfinite(posterior.weights.mean_AD).all() and posterior.weights.mean_AD[0, 0] > 0
    again = LogisticPosterior.from_state(posterior.state())
    np.testing.assert_array_equal(again.weights.covariance_ADD, posterior.weights.covariance_ADD)


def test_rejects_values_that_are_not_finite() -> None:
    features_ND, rewards_N, _ = rows()
    rewards_N[3] = np.nan
    with pytest.raises(DataError, match="1 reward values are not finite"):
        LinearPosterior.prior(1, 4).updated(features_ND, rewards_N)
    with pytest.raises(DataError, match="rewards must be 0 or 1"):
        LogisticPosterior.prior(1, 4).updated(features_ND, np.full(50, 0.5))


@pytest.mark.parametrize("actions", [0, 40, 4000])
def test_bounds_find_the_arm_with_the_highest_ucb(actions: int) -> None:
    random = np.random.default_rng(actions)
    features_ND, arms_N = random.standard_normal((actions, 5)), random.integers(0, 7, actions)
    rewards_N = (random.random(actions) < 0.3 + 0.05 * arms_N) * 1.0
    posterior = LinearPosterior.prior(7, 5).updated(features_ND, rewards_N, arms_N)
    belief = posterior.for_arms(random.standard_normal((500, 5)))
    for width in (0.0, 0.5, 3.0):
        hoped_BC = belief.mean_BC + width * belief.deviation_BC
        found_B = belief.highest_ucb(width)
        np.testing.assert_allclose(hoped_BC[np.arange(500), found_B], hoped_BC.max(axis=1))
    policy = UpperConfidence(0.5, floor=0.2)
    slates = policy.single_actions(belief, random)
    scores = policy.action_scores(belief, np.ones((500, 7), bool), random)
    expected_BK = slate_propensities(scores, slates.actions_BK)
    np.testing.assert_allclose(slates.propensities_BK, expected_BK)
