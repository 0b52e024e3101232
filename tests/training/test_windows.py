"""What a next-item model is asked, and what it is shown when it is asked."""

import numpy as np
import pytest
import torch

from training.data.histories import DAY, Histories, starts
from training.layers.sequences.windows import TOKEN, Batch, Masking, Windows, WindowsConfig

HORIZON = 3
CONFIG = WindowsConfig(length=7, events_a_batch=40, horizon_days=HORIZON)
MASKING = Masking(share=0.4, only_next=0.3, nothing_read=0.1)


@pytest.fixture
def histories() -> Histories:
    """Each event is of an item of its own, so that an item names its event."""
    random = np.random.default_rng(0)
    lengths_U = np.array([1, 2, 30, 0, 7, 8, 19, 3])
    events = lengths_U.sum()
    times = [np.sort(random.integers(0, 40, length)) * DAY for length in lengths_U]
    return Histories(
        np.arange(len(lengths_U)),
        starts(lengths_U),
        np.arange(events, dtype=np.int32),
        np.concatenate(times),
        np.ones(events, np.float32),
        int(events),
        41 * DAY,
    )


def windows(histories: Histories, seed: int = 0, masking: Masking | None = None) -> Windows:
    return Windows(histories, CONFIG, seed, torch.device("cpu"), masking)


def epochs_of(histories: Histories, count: int) -> list[list[int]]:
    """The events that each epoch read, in the order of reading."""
    drawn, step, epochs = windows(histories), 0, []
    for _ in range(count):
        read: list[int] = []
        while len(read) < len(histories.items_N):
            batch = drawn.batch(step)
            for row, length in zip(batch.read_BT.tolist(), batch.lengths_B.tolist(), strict=True):
                assert row[0] == TOKEN
                read += row[1:length]
            step += 1
        epochs.append(read)
    return epochs


def test_epoch_reads_every_event_once(histories: Histories) -> None:
    for read in epochs_of(histories, 5):
        assert sorted(read) == histories.items_N.tolist()


def test_epochs_differ(histories: Histories) -> None:
    first, second = epochs_of(histories, 2)
    assert first != second


def test_target_is_after_position_and_within_horizon(histories: Histories) -> None:
    drawn, rows_N, times_N = windows(histories), histories.rows_N, histories.times_N
    asked = 0
    for step in range(drawn.steps_for(20)):
        batch = drawn.batch(step)
        assert batch.has_BT[:, 0].all(), "who comes is asked of every window"
        rows, positions = batch.has_BT[:, 1:].nonzero(as_tuple=True)
        now = batch.read_BT[rows, positions + 1].numpy()
        target = batch.targets_BT[rows, positions + 1].numpy()
        ahead = times_N[target] - times_N[now]
        assert (rows_N[target] == rows_N[now]).all()
        assert ((ahead > 0) & (ahead <= HORIZON * DAY)).all()
        asked += len(now)
    assert asked


@pytest.mark.parametrize("masking", [None, MASKING])
def test_batch_is_function_of_seed_and_step(histories: Histories, masking: Masking | None) -> None:
    there = [windows(histories, 0, masking).batch(step) for step in range(30)]
    drawn = windows(histories, 0, masking)
    for step in reversed(range(30)):
        assert equal(drawn.batch(step), there[step])
    other = windows(histories, 1, masking)
    assert not all(equal(other.batch(step), there[step]) for step in range(30))


@pytest.mark.parametrize("masking", [None, MASKING])
def test_parts_of_batch_add_up_to_whole(histories: Histories, masking: Masking | None) -> None:
    batch = windows(histories, 0, masking).batch(0)
    parts = [batch.part(index, 3) for index in range(3)]
    assert sum(part.targets for part in parts) == batch.targets == int(batch.has_BT.sum())
    assert sum(len(part.read_BT) for part in parts) == len(batch.read_BT)
    assert all(torch.equal(part.wanted_N, batch.wanted_N) for part in parts)


def test_masked_items_and_last_position_are_targets(histories: Histories) -> None:
    drawn = windows(histories, 0, MASKING)
    times_N, hidden, shown = histories.times_N, 0, 0
    for step in range(drawn.steps_for(20)):
        batch = drawn.batch(step)
        for row in range(len(batch.read_BT)):
            length = int(batch.lengths_B[row])
            read, target = batch.read_BT[row, :length], batch.targets_BT[row, :length]
            asked = batch.has_BT[row]
            assert torch.equal(asked[:length], read == TOKEN) and not asked[length:].any()
            assert read[-1] == TOKEN
            before = torch.where(asked[: length - 1], target[:-1], read[:-1])
            assert torch.equal(before, before[:1] + torch.arange(length - 1)), "in its own place"
            if length > 1:
                assert 0 < times_N[target[-1]] - times_N[before[-1]] <= HORIZON * DAY
            hidden += int(asked[: length - 1].sum())
            shown += length - 1
    assert hidden / shown == pytest.approx(MASKING.share * (1 - MASKING.only_next), abs=0.05)


def equal(one: Batch, other: Batch) -> bool:
    pairs = (
        (one.read_BT, other.read_BT),
        (one.lengths_B, other.lengths_B),
        (one.targets_BT, other.targets_BT),
        (one.has_BT, other.has_BT),
        (one.wanted_N, other.wanted_N),
    )
    return all(torch.equal(mine, theirs) for mine, theirs in pairs)
