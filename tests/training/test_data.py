"""No feature leaks into a model, and the split keeps the order of time."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted import AS_OF, write_snapshot

from penchant.artifacts import Snapshot
from penchant.errors import DataError
from penchant.settings import Settings
from training.commands.train import train
from training.data.histories import DAY, Dataset, epoch, read_dataset
from training.data.split import split_by_time, window_days
from training.data.training_sets import check_point_in_time

EVENT = datetime(2024, 3, 1, 12)


def training_set(
    feature_at: list[datetime | None], column: str = "user_statistics__feature_time"
) -> pa.Table:
    times = pa.timestamp("us")
    return pa.table(
        {
            "user_id": [f"u{row:03}" for row in range(len(feature_at))],
            "event_timestamp": pa.array([EVENT] * len(feature_at), times),
            column: pa.array(feature_at, times),
        }
    )


def test_accepts_features_valid_before_or_at_the_event_or_missing() -> None:
    check_point_in_time(training_set([EVENT - timedelta(days=1), EVENT, None]), "ad_responses")


@pytest.mark.parametrize(
    "column", ["user_statistics__feature_time", "user_lifecycle__feature_time"]
)
def test_rejects_leaked_feature(column: str) -> None:
    planted = training_set([EVENT, EVENT + timedelta(microseconds=1)], column)
    with pytest.raises(DataError, match=r"1 rows have .*__feature_time after event_timestamp"):
        check_point_in_time(planted, "ad_responses")


def test_rejects_training_set_without_feature_times() -> None:
    with pytest.raises(DataError, match="can't be verified"):
        check_point_in_time(
            training_set([EVENT]).drop_columns("user_statistics__feature_time"), "x"
        )


def test_train_rejects_snapshot_with_leaked_feature(
    planted: tuple[Settings, str],
) -> None:
    snapshot = Snapshot.open(*planted)
    snapshot.training_set("ad_responses").parent.mkdir(exist_ok=True)
    pq.write_table(training_set([EVENT + timedelta(days=1)]), snapshot.training_set("ad_responses"))
    with pytest.raises(DataError, match="feature leakage"):
        train(*planted, "popularity")
    assert not list(planted[0].runs.glob("*/popularity-*"))


def test_rejects_event_at_as_of(settings: Settings) -> None:
    write_snapshot(settings, [[("i000", AS_OF)]], items=1)
    with pytest.raises(DataError, match="1 events at or after as_of"):
        read_dataset(Snapshot.open(settings, next(settings.snapshots.iterdir()).name))


def test_rejects_event_of_item_without_row(settings: Settings) -> None:
    write_snapshot(settings, [[("i999", AS_OF - timedelta(days=1))]], items=1)
    with pytest.raises(DataError, match="1 items without a row in mart items"):
        read_dataset(Snapshot.open(settings, next(settings.snapshots.iterdir()).name))


def test_split_is_temporal_and_keeps_every_event(dataset: Dataset) -> None:
    split = split_by_time(dataset.histories)
    as_of = epoch(AS_OF)
    t1, t2 = as_of - 28 * DAY, as_of - 14 * DAY
    assert split.train.times_N.max() < t1 <= split.validation.targets.times_N.min()
    assert split.validation.targets.times_N.max() < t2 <= split.test.targets.times_N.min()
    assert split.test.histories.times_N.max() < t2
    parts = (split.train, split.validation.targets, split.test.targets)
    assert sum(len(part.items_N) for part in parts) == len(dataset.histories.items_N)


def test_sample_of_a_window_keeps_its_histories_and_the_targets_of_some_users(
    dataset: Dataset,
) -> None:
    window = split_by_time(dataset.histories).test
    users = window.sampled(5, seed=1)
    assert len(users) == 5 and (users == window.sampled(5, seed=1)).all()
    assert (window.sampled(1000, seed=1) == window.evaluated().histories.users_U).all()
    sample = window.with_targets_of(users)
    assert sample.histories is window.histories
    assert (sample.evaluated().histories.users_U == users).all()
    whole = window.take(users).targets
    assert (sample.evaluated().targets.items_N == whole.items_N).all()


@pytest.mark.parametrize(("days", "expected"), [(3, 1), (9, 2), (41, 10), (42, 14), (400, 14)])
def test_windows_are_shorter_where_there_are_less_than_six_weeks(
    settings: Settings, days: int, expected: int
) -> None:
    events = [("i000", AS_OF - timedelta(days=day)) for day in range(days, 0, -1)]
    write_snapshot(settings, [events], items=1)
    dataset = read_dataset(Snapshot.open(settings, next(settings.snapshots.iterdir()).name))
    assert window_days(dataset.histories) == expected
    parts = split_by_time(dataset.histories)
    assert len(parts.test.targets.items_N) == expected


def test_rejects_data_too_short_to_split(settings: Settings) -> None:
    write_snapshot(settings, [[("i000", AS_OF - timedelta(days=1))]], items=1)
    dataset = read_dataset(Snapshot.open(settings, next(settings.snapshots.iterdir()).name))
    with pytest.raises(DataError, match="training part of the temporal split is empty"):
        split_by_time(dataset.histories)


def test_histories_take_latest_matrix_and_before(settings: Settings) -> None:
    days = [AS_OF - timedelta(days=day) for day in (3, 2, 1)]
    first = list(zip(["i000", "i001", "i000"], days, strict=True))
    write_snapshot(settings, [first, [("i001", days[0])]], items=2)
    histories = read_dataset(
        Snapshot.open(settings, next(settings.snapshots.iterdir()).name)
    ).histories
    both = histories.take(np.array([1, 0]))
    assert both.items_N.tolist() == [1, 0, 1, 0]
    assert both.latest(2).items_N.tolist() == [1, 1, 0]
    assert both.matrix(both.ages_N).toarray().tolist() == [[0, 3], [4, 2]]
    assert both.before(histories.end - 2 * DAY).lengths_U.tolist() == [1, 1]
