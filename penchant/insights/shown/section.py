"""A part of a page about one insight: the report and the console show the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from penchant.artifacts.record import Interval

Row = Sequence[str]


@dataclass(frozen=True)
class InsightSection:
    """``anchor``: its id in a page. ``text``, ``columns`` and cells of ``rows`` are plain text,
    ``plot`` is SVG; ``numbers``: columns that are aligned right."""

    anchor: str
    title: str
    text: str
    plot: str
    columns: Row
    rows: Sequence[Row]
    numbers: frozenset[int] = frozenset()


def figure(value: Interval, digits: int = 0, sign: str = "") -> str:
    """A value with its interval, such as ``1,234 [-10, 2,000]``."""
    mean, low, high = (f"{value[name]:{sign},.{digits}f}" for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"
