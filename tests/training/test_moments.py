"""Drawn moments: what is read lies before, what is asked in the fortnight after."""

import numpy as np
import torch

from training.data.histories import DAY, Dataset
from training.data.interest_labels import find_interests
from training.layers.moments import NO_ITEM, Moments, read_histories


def moments(dataset: Dataset, length: int = 10) -> Moments:
    interests = find_interests(dataset.items, dataset.histories)
    interest_I = interests.interest_I
    device = torch.device("cpu")
    return Moments(dataset.histories, interest_I, len(interests), 30.0, length, 0, device)


def test_read_events_precede_moment(dataset: Dataset) -> None:
    train, drawn = dataset.histories, moments(dataset)
    batch = drawn.batch(0, 50)
    assert batch.read.items_BL.shape == batch.read.ages_BL.shape == (50, 10)
    for items_L, ages_L, label_C in zip(
        batch.read.items_BL, batch.read.ages_BL, batch.label_BC, strict=True
    ):
        has_L = items_L != NO_ITEM
        assert has_L[-1] and (ages_L[has_L] > 0).all()
        assert (ages_L[has_L].diff() <= 0).all(), "the newest is the last"
        # The planted users buy of one category each: what is read tells what is asked.
        interests = set(drawn.interest_I[items_L[has_L].numpy()])
        assert set(label_C.nonzero()[:, 0].tolist()) <= interests
    assert drawn.last + 14 * DAY == train.end
    assert (drawn.last - drawn.earliest) == 30 * DAY


def test_labels_cover_fortnight_after_moment(dataset: Dataset) -> None:
    train, drawn = dataset.histories, moments(dataset)
    now = train.end - 20 * DAY
    users_B = np.arange(10)
    now_B = drawn._events_before(users_B, np.full(10, now))
    until_B = drawn._events_before(users_B, np.full(10, now + 14 * DAY))
    label_BC = drawn._labels(now_B, until_B)
    interests = find_interests(dataset.items, train)
    window = train.between(now, now + 14 * DAY).take(users_B)
    np.testing.assert_array_equal(label_BC > 0, interests.acted_on(window))


def test_batch_is_function_of_step_and_part_is_every_other_row(dataset: Dataset) -> None:
    drawn = moments(dataset)
    one, same, other = drawn.batch(3, 8), drawn.batch(3, 8), drawn.batch(4, 8)
    assert torch.equal(one.read.items_BL, same.read.items_BL)
    assert not torch.equal(one.read.items_BL, other.read.items_BL)
    assert torch.equal(one.part(1, 2).read.ages_BL, one.read.ages_BL[1::2])


def test_reads_whole_histories_and_empty_ones(dataset: Dataset) -> None:
    read = read_histories(dataset.histories, 60)
    has_BL = read.items_BL != NO_ITEM
    np.testing.assert_array_equal(has_BL.sum(dim=1), dataset.histories.lengths_U)
    assert not read.ages_BL[~has_BL].any()
    nobody = dataset.histories.take(np.array([60]))
    assert (read_histories(nobody, 5).items_BL == NO_ITEM).all()
