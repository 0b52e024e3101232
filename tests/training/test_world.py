"""The simulated world is deterministic by seed and behaves as described."""

from dataclasses import replace

import numpy as np
import pytest

from training.simulation.closed_loop import contenders, run_policy
from training.simulation.world import Requests, World, WorldConfig

SMALL = WorldConfig(users=200, items=60, days=30, candidates=12)


def first_best(requests: Requests) -> np.ndarray:
    return np.argsort(-requests.appeal_BC, axis=1)[:, : SMALL.slate]


def by_chance(requests: Requests, random: np.random.Generator) -> np.ndarray:
    return np.argsort(random.random(requests.appeal_BC.shape), axis=1)[:, : SMALL.slate]


def test_same_seed_gives_same_world() -> None:
    for seed, same in ((1, True), (2, False)):
        one, other = World(SMALL, 1), World(SMALL, seed)
        for _ in range(5):
            requests, others = one.requests(), other.requests()
            clicks = one.answer(requests, first_best(requests))
            others_clicks = other.answer(others, first_best(others))
            one.next_day(), other.next_day()
        assert np.array_equal(clicks, others_clicks) is same


def test_click_rate_equals_true_probability_and_falls_by_position() -> None:
    world, random = World(replace(SMALL, users=3000), 3), np.random.default_rng(0)
    expected, clicked = np.zeros(SMALL.slate), np.zeros(SMALL.slate)
    for _ in range(10):
        requests = world.requests()
        actions_BK = by_chance(requests, random)
        expected += world.clicks(requests, actions_BK).sum(axis=0)
        clicked += world.answer(requests, actions_BK).sum(axis=0)
        world.next_day()
    np.testing.assert_allclose(clicked, expected, atol=4.5 * np.sqrt(expected.max()))
    assert (np.diff(expected) < 0).all()


def test_no_slate_exceeds_the_best() -> None:
    world = World(SMALL, 4)
    requests = world.requests()
    best_B = world.best(requests)
    np.testing.assert_allclose(world.clicks(requests, first_best(requests)).sum(axis=1), best_B)
    other_B = world.clicks(requests, by_chance(requests, np.random.default_rng(0))).sum(axis=1)
    assert (other_B <= best_B + 1e-12).all()


def test_repetition_causes_fatigue_and_churn() -> None:
    worlds = World(replace(SMALL, days=60), 5), World(replace(SMALL, days=60), 5)
    for _ in range(60):
        for world, same_kind in zip(worlds, (True, False), strict=True):
            requests = world.requests()
            kinds_BC = world.category_I[requests.items_BC]
            order_BC = kinds_BC if same_kind else np.argsort(np.argsort(kinds_BC)) % 7
            world.answer(requests, np.argsort(order_BC, axis=1)[:, : SMALL.slate])
            world.next_day()
    assert worlds[0].left_U.sum() > 1.2 * worlds[1].left_U.sum()
    assert worlds[0].loyalty_U.mean() < worlds[1].loyalty_U.mean()


def test_items_and_users_appear_after_arrival() -> None:
    world = World(SMALL, 6)
    for day in range(SMALL.days):
        requests = world.requests()
        assert requests.day == day
        assert (world.arrival_I[requests.items_BC] <= day).all()
        assert (world.arrival_U[requests.users_B] <= day).all()
        rows = np.sort(requests.items_BC, axis=1)
        assert (np.diff(rows, axis=1) > 0).all(), "an item twice among the candidates"
        world.next_day()
    assert (world.arrival_I > 0).any() and (world.arrival_U > 0).any()


@pytest.mark.parametrize("named", contenders(SMALL.slate), ids=lambda named: named.name)
def test_run_is_deterministic_by_seed_and_learns(named: object) -> None:
    one, other = (run_policy(named.chooser, SMALL, 7) for _ in range(2))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(one.regret_T, other.regret_T)
    assert (one.regret_T >= 0).all()
    regret_T = one.regret_T / one.visits_T
    assert regret_T[-8:].mean() < regret_T[:3].mean(), "it loses no less than by chance"
