"""The repeat path: features of a user's own items, and how they are ranked beside new ones."""

import numpy as np
import pytest
import torch

from training.data.histories import DAY, Histories, starts
from training.families import hstu
from training.layers.sequences.own_items import item_features, own_items
from training.layers.sequences.repeat import BELOW, RepeatFamily


def histories(*events: list[tuple[int, float]], end: int = 100, items: int = 6) -> Histories:
    """Users' events as (item, day)."""
    flat = [event for one in events for event in sorted(one, key=lambda event: event[1])]
    return Histories(
        np.arange(len(events)),
        starts(np.array([len(one) for one in events])),
        np.array([item for item, _ in flat], np.int32),
        np.array([int(day * DAY) for _, day in flat], np.int64),
        np.ones(len(flat), np.float32),
        items,
        end * DAY,
    )


def test_own_items_are_counted_by_days() -> None:
    twice = [(3, 70.1), (3, 70.2), (3, 90.0), (1, 90.0), (2, 50.0)]
    own = own_items(histories(twice, [], [(4, 99.5)]), most=2)
    assert own.starts_B1.tolist() == [0, 2, 2, 3]
    assert own.items_N.tolist() == [1, 3, 4], "the least frequent of three is left out"
    last, first, count, gap, passed, once = own.features_NF[1, 5:11]
    np.testing.assert_allclose([last, first], np.log1p([10, 30]))
    assert (np.exp(count), once) == (2, 0), "two lines of one day are one purchase"
    np.testing.assert_allclose([gap, passed], [np.log1p(20), 10 / 21], rtol=1e-6)
    share, recent, days, _ = own.features_NF[1, 11:]
    np.testing.assert_allclose([share, days], [2 / 3, np.log1p(3)], rtol=1e-6)
    assert 0 < recent < 1


def test_item_features_are_finite_and_count_rebuyers() -> None:
    features_IF = item_features(histories([(0, 10), (0, 20)], [(1, 10)], [(1, 20)]))
    assert np.isfinite(features_IF).all()
    assert features_IF[0, 0] > features_IF[1, 0], "item 0 is bought again, item 1 isn't"


@pytest.fixture
def family() -> RepeatFamily:
    class Popular:
        def user_vectors(self, batch: Histories) -> torch.Tensor:
            return torch.ones(len(batch), 1)

        def item_vectors(self) -> torch.Tensor:
            return torch.arange(80.0)[:, None]

        def learned_items(self) -> torch.Tensor:
            return torch.arange(80) < 60

        def observe(self, batch: Histories) -> None: ...

    config = hstu.Config()
    assert config.repeat is not None
    model = RepeatFamily(config, Popular(), config.repeat)  # type: ignore[arg-type]
    from training.layers.sequences.repeat import Head

    torch.manual_seed(0)
    model._keep_items()
    model.head = Head(config.repeat.hidden).eval()
    return model


def test_candidates_are_ranked_above_the_rest_and_unknown_users_by_the_model(
    family: RepeatFamily,
) -> None:
    batch = histories([(3, 90.0)], [], items=80)
    family.observe(batch)
    known_I, unknown_I = family.scores(batch)
    assert unknown_I.tolist() == list(range(80))
    candidates = (known_I > -BELOW / 2).nonzero()[:, 0].tolist()
    assert candidates == [3, *range(28, 60)], "the user's own item and the best 32 of the learned"
