"""The days that are compared: the last ones of a snapshot with those before."""

from dataclasses import dataclass
from datetime import datetime, timedelta

REFERENCE_DAYS = 28
MOST_WATCHED = 7
SAMPLE_ROWS = 200_000  # larger tables are sampled: about 7,000 rows a day


@dataclass(frozen=True)
class Days:
    """``watched`` days that end at ``as_of``, the exclusive end of the data, and
    ``REFERENCE_DAYS`` before them. Day 0 is all watched days, day 1 the one before, and so on."""

    as_of: datetime
    watched: int = 1

    @classmethod
    def since(cls, before: datetime | None, as_of: datetime) -> "Days":
        """The days since an earlier record, at least one: a correction or a clock that stepped back
        may leave none."""
        missed = 1 if before is None else (as_of - before).days
        return cls(as_of, min(max(missed, 1), MOST_WATCHED))

    @property
    def number(self) -> int:
        """Of days, with day 0."""
        return REFERENCE_DAYS + 1

    @property
    def first(self) -> datetime:
        return self.as_of - timedelta(days=REFERENCE_DAYS + self.watched)

    def within(self, column: str) -> str:
        """SQL: whether a time is in one of the days."""
        return f"({column} >= {literal(self.first)} and {column} < {literal(self.as_of)})"

    def calendar(self, column: str) -> str:
        """SQL: days from a time to ``as_of``, 1 for the last."""
        return f"cast(ceil((epoch({literal(self.as_of)}) - epoch({column})) / 86400.0) as integer)"

    def day(self, column: str) -> str:
        """SQL: the number of a time's day."""
        return f"greatest({self.calendar(column)} - {self.watched}, 0)"


def literal(moment: datetime) -> str:
    """A naive UTC time as SQL."""
    return f"timestamp '{moment:%Y-%m-%d %H:%M:%S.%f}'"
