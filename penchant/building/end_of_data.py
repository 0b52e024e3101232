"""The end of the data, ``as_of``: the midnight after the last business day.

One event with a wrong date must not move it, since every window of every feature ends there. So a
day counts as a business day if it has at least a tenth of the rows of a median business day (of the
28 before it) and begins at most 28 days after the one before. Other days are held back until there
are seven of them with the rows of a median business day between them: a shop that opens again, or
that has lost most of its trade. ``PENCHANT_AS_OF`` overrides all of this.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from statistics import median

REGULAR_SHARE = 0.1
MEDIAN_OF = 28  # business days
MAX_GAP = timedelta(days=28)
ENOUGH_DAYS = 7  # held-back days that are accepted together


def end_of_data(rows_of_day: Mapping[date, int]) -> datetime:
    """The midnight after the last business day. ``rows_of_day``: not empty."""
    business: list[date] = []
    held: Counter[date] = Counter()
    for day in sorted(rows_of_day):
        rows = rows_of_day[day]
        if not business or _is_regular(day, rows, business, rows_of_day):
            business.append(day)
            held.clear()  # single days between business days
            continue
        held[day] = rows
        if len(held) >= ENOUGH_DAYS and held.total() >= _median(business, rows_of_day):
            business.extend(held)
            held.clear()
    return datetime.combine(business[-1] + timedelta(days=1), time())


def _is_regular(
    day: date, rows: int, business: list[date], rows_of_day: Mapping[date, int]
) -> bool:
    return day - business[-1] <= MAX_GAP and rows >= REGULAR_SHARE * _median(business, rows_of_day)


def _median(business: list[date], rows_of_day: Mapping[date, int]) -> float:
    return median(rows_of_day[day] for day in business[-MEDIAN_OF:])
