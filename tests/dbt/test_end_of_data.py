"""The end of the data: one wrong date doesn't move it. And the number of landed events."""

import json
from collections import Counter
from datetime import date, datetime, timedelta

import pytest

from penchant.building.end_of_data import end_of_data
from penchant.building.landed import landed_events
from penchant.settings import Settings

FIRST = date(2017, 1, 1)


def shop(days: int, rows: int = 100, first: date = FIRST) -> Counter[date]:
    return Counter({first + timedelta(days=day): rows for day in range(days)})


def test_ends_after_the_last_business_day() -> None:
    assert end_of_data(shop(60)) == datetime(2017, 3, 2)
    assert end_of_data(shop(1, rows=1)) == datetime(2017, 1, 2)


@pytest.mark.parametrize(
    ("day", "rows"), [(date(2026, 11, 30), 1), (date(2026, 11, 30), 10_000), (date(2017, 3, 5), 9)]
)
def test_a_single_day_far_ahead_or_with_few_events_does_not_move_it(day: date, rows: int) -> None:
    assert end_of_data(shop(60) + Counter({day: rows})) == datetime(2017, 3, 2)


def test_closed_days_and_quiet_days_do_not_stop_it() -> None:
    weekdays = Counter({day: n for day, n in shop(90).items() if day.weekday() < 5})
    assert end_of_data(weekdays) == datetime(2017, 4, 1)
    assert end_of_data(shop(60) + shop(30, 20, date(2017, 3, 2))) == datetime(2017, 4, 1)


def test_a_shop_that_opens_again_or_shrinks_continues_after_a_week() -> None:
    opened = date(2018, 6, 1)
    assert end_of_data(shop(60) + shop(6, first=opened)) == datetime(2017, 3, 2)
    assert end_of_data(shop(60) + shop(9, first=opened)) == datetime(2018, 6, 10)
    shrunk = shop(60) + shop(40, 5, date(2017, 3, 2))
    assert end_of_data(shrunk) > datetime(2017, 4, 1)


def test_rows_of_events_alone_count_for_the_memory_of_a_build(settings: Settings) -> None:
    for table, rows in (("transactions", 10), ("promotions", 1_000)):
        batch = settings.landing / "complete_journey" / table / "sha" / "batch.json"
        batch.parent.mkdir(parents=True)
        batch.write_text(json.dumps({"source": "complete_journey", "table": table, "rows": rows}))
    assert landed_events(settings) == 10
