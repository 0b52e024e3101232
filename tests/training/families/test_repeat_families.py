"""Families of repeat behaviour: personal_frequency, tifu_knn and up_cf on hand-made histories."""

import numpy as np
import pytest

from training.data.histories import DAY, Histories
from training.families import personal_frequency, tifu_knn, up_cf
from training.layers.baskets import baskets_of

END = 100 * DAY


def histories(*users: list[tuple[int, float]]) -> Histories:
    """One list a user of (item, age in days), oldest first, of five items."""
    events = [event for user in users for event in user]
    return Histories(
        users_U=np.arange(len(users)),
        starts_U1=np.cumsum([0, *map(len, users)]),
        items_N=np.array([item for item, _ in events], np.int32),
        times_N=np.array([END - int(age * DAY) for _, age in events], np.int64),
        weights_N=np.ones(len(events), np.float32),
        item_count=5,
        end=END,
    )


def test_personal_frequency_counts_days_not_events() -> None:
    own = personal_frequency.daily_frequency(histories([(0, 10.0), (0, 9.9), (1, 10.0)]), 1e9)
    assert own.toarray()[0, :2] == pytest.approx([1.0, 1.0], abs=1e-6)


def test_personal_frequency_halves_a_day_after_its_half_life() -> None:
    own = personal_frequency.daily_frequency(histories([(0, 90.0), (0, 0.5)]), 90.0)
    assert own.toarray()[0, 0] == pytest.approx(0.5 + 0.5 ** (0.5 / 90), abs=1e-6)


def test_baskets_are_days_counted_from_the_newest() -> None:
    found = baskets_of(histories([(0, 50.0), (1, 50.0), (1, 50.0), (2, 3.0)], []))
    assert found.counts_U.tolist() == [2, 0]
    assert dict(zip(found.items_N.tolist(), found.rank_N.tolist(), strict=True)) == {
        0: 1,
        1: 1,
        2: 0,
    }


def test_tifu_knn_decays_baskets_within_groups_and_groups() -> None:
    config = tifu_knn.Config(group_size=2, basket_decay=0.9, group_decay=0.5)
    own = tifu_knn.item_frequencies(histories([(0, 30.0), (1, 20.0), (2, 10.0)]), config)
    expected = [0.5, 0.9, 1.0]  # a group of its own; second of the newest group; the newest
    assert own.toarray()[0, :3] == pytest.approx([value / (2 * 2) for value in expected])


def test_up_cf_forgets_baskets_before_the_window() -> None:
    recent = up_cf.recent_frequencies(histories([(0, 30.0), (1, 20.0), (1, 10.0)]), 2)
    assert recent.toarray()[0, :2].tolist() == [0.0, 1.0]


def test_up_cf_recommends_an_item_of_the_more_similar_user() -> None:
    known = histories([(0, 9.0), (1, 8.0)], [(0, 9.0), (1, 8.0), (2, 7.0)], [(3, 9.0), (4, 8.0)])
    model = up_cf.Model(up_cf.Config())
    model.observe(known)
    scores_I = model.scores(known.take(np.array([0])))[0]
    assert scores_I[2] > scores_I[3] and scores_I[2] > scores_I[4]
