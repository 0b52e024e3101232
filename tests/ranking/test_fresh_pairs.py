"""Pair columns with fresh events equal those of the mart with the same events."""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from penchant.ranking.features import DAY, PAIR, FeatureColumn
from penchant.ranking.fresh_pairs import PAIR_VIEW, with_events

MOMENT = datetime(2024, 2, 2, tzinfo=UTC)
HALF_LIFE = 30.0
DECAYED = f"{PAIR}purchases_decayed_30d"
COLUMNS = (
    FeatureColumn(PAIR_VIEW, "pair_purchase_days", "number"),
    FeatureColumn(PAIR_VIEW, "pair_purchases_decayed_30d", "decayed", HALF_LIFE),
    FeatureColumn(PAIR_VIEW, "pair_last_purchased_at", "time"),
)


@dataclass(frozen=True)
class Happened:
    item_id: str | None
    event_type: str
    quantity: int | None = None
    user_id: str = "u1"
    session_id: str = "s1"
    event_at: datetime = datetime(2030, 1, 1)


def seconds(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def columns() -> dict[str, np.ndarray]:
    """i1 was bought on the first and on the last day of January; i2 never."""
    nan = np.nan
    return {
        f"{PAIR}purchase_days": np.array([2, nan]),
        DECAYED: np.array([1.5, nan]),
        f"{PAIR}first_purchased_at": np.array([seconds(2024, 1, 1), nan]),
        f"{PAIR}last_purchased_at": np.array([seconds(2024, 1, 31), nan]),
        f"{PAIR}previous_purchased_at": np.array([seconds(2024, 1, 1), nan]),
        f"{PAIR}pieces": np.array([4, nan]),
        f"{PAIR}views": np.array([0, nan]),
        f"{PAIR}carts": np.array([0, nan]),
        f"{PAIR}last_event_at": np.array([seconds(2024, 1, 31, 8), nan]),
        f"{PAIR_VIEW}__feature_time": np.array([seconds(2024, 2, 1), nan]),
    }


def after(*events: Happened, moment: datetime = MOMENT) -> dict[str, np.ndarray]:
    place_of = {"i1": 0, "i2": 1}
    return with_events(columns(), COLUMNS, place_of, events, moment.timestamp())


def test_a_purchase_counts_as_one_on_the_last_day() -> None:
    found = after(Happened("i1", "purchase", 3))
    assert found[f"{PAIR}purchase_days"][0] == 3
    # the unit test of the mart has the row of a view on this day, without the purchase: 1.46574
    assert found[DECAYED][0] == pytest.approx(1.5 * 0.5 ** (1 / HALF_LIFE) + 1)
    assert found[f"{PAIR}previous_purchased_at"][0] == seconds(2024, 1, 31)
    assert found[f"{PAIR}last_purchased_at"][0] == seconds(2024, 2, 1)
    assert found[f"{PAIR}pieces"][0] == 7
    assert found[f"{PAIR_VIEW}__feature_time"][0] == MOMENT.timestamp()


def test_a_second_purchase_of_a_day_adds_pieces_but_no_day() -> None:
    once, twice = (after(*[Happened("i1", "purchase", 1)] * times) for times in (1, 2))
    assert twice[f"{PAIR}purchase_days"][0] == once[f"{PAIR}purchase_days"][0]
    assert twice[DECAYED][0] == once[DECAYED][0]
    assert twice[f"{PAIR}pieces"][0] == once[f"{PAIR}pieces"][0] + 1


def test_a_view_of_a_new_item_makes_the_row_that_the_mart_makes() -> None:
    found = after(Happened("i2", "view"), Happened("i2", "cart"))
    assert found[f"{PAIR}views"][1] == found[f"{PAIR}carts"][1] == 1
    assert found[f"{PAIR}purchase_days"][1] == found[DECAYED][1] == found[f"{PAIR}pieces"][1] == 0
    assert np.isnan(found[f"{PAIR}last_purchased_at"][1])
    assert found[f"{PAIR}last_event_at"][1] == MOMENT.timestamp() - 1


def test_other_items_and_the_given_arrays_stay() -> None:
    raw = columns()
    found = with_events(
        raw, COLUMNS, {"i1": 0}, [Happened("i1", "purchase", 1)], MOMENT.timestamp()
    )
    for name, values in columns().items():
        np.testing.assert_array_equal(raw[name], values)
        np.testing.assert_array_equal(found[name][1:], values[1:])
    unchanged = after(Happened("i9", "purchase"), Happened(None, "search"))
    for name, values in columns().items():
        np.testing.assert_array_equal(unchanged[name], values)


def test_data_that_end_within_a_day_count_that_day() -> None:
    found = after(Happened("i1", "purchase", 1), moment=MOMENT - timedelta(hours=6))
    assert found[f"{PAIR}last_purchased_at"][0] == seconds(2024, 2, 1)
    assert found[f"{PAIR_VIEW}__feature_time"][0] == MOMENT.timestamp() - DAY / 4


HALVED = [
    FeatureColumn(PAIR_VIEW, f"pair_purchases_decayed_{days}d", "decayed", days)
    for days in (7, 30, 90, 240)
]
UPDATED = (
    *(f"{PAIR}{name}" for name in ("purchase_days", "pieces", "views", "carts")),
    *(f"{PAIR}{name}_purchased_at" for name in ("first", "last", "previous")),
    *(column.reference for column in HALVED),
    f"{PAIR_VIEW}__feature_time",
)
MANY = 300  # pairs of consecutive rows


def test_equals_the_mart_with_the_same_events(built_once: Path) -> None:
    marts = next(built_once.glob("snapshots/s-*")) / "marts"
    keys = [(name, "ascending") for name in ("user_id", "item_id", "feature_at")]
    mart = pq.read_table(marts / f"{PAIR_VIEW}.parquet").sort_by(keys).to_pylist()
    on_day: dict[tuple[str, str, object], list[Happened]] = {}
    names = ["user_id", "item_id", "event_type", "quantity", "event_at"]
    for row in pq.read_table(marts / "events.parquet", columns=names).to_pylist():
        of_day = on_day.setdefault((row["user_id"], row["item_id"], row["event_at"].date()), [])
        of_day.append(Happened(row["item_id"], row["event_type"], row["quantity"]))
    following = [
        (before, after)
        for before, after in itertools.pairwise(mart)
        if (before["user_id"], before["item_id"]) == (after["user_id"], after["item_id"])
    ]
    assert len(following) > MANY
    for before, after in following[:MANY]:
        day = (after["feature_at"] - timedelta(days=1)).date()
        events = on_day[after["user_id"], after["item_id"], day]
        moment = as_seconds(after["feature_at"])
        found = with_events(as_columns(before), HALVED, {after["item_id"]: 0}, events, moment)
        expected = as_columns(after)
        for name in UPDATED:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, err_msg=name)


def as_columns(row: dict[str, object]) -> dict[str, np.ndarray]:
    """A row of the mart as a request's columns."""
    columns = {f"{PAIR_VIEW}__{name}": np.array([as_seconds(row[name])]) for name in row}
    columns[f"{PAIR_VIEW}__feature_time"] = columns.pop(f"{PAIR_VIEW}__feature_at")
    return columns


def as_seconds(value: object) -> float:
    """A number, or a time in seconds since 1970; NaN for null and for text."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).timestamp()
    return float(value) if isinstance(value, int | float) else np.nan
