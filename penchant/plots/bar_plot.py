"""Bars with their intervals, as inline SVG that is as readable on a phone as on a wide screen.

There is no ``viewBox``: places across are percentages, letters and heights are pixels. So a narrow
page makes bars shorter, and no letter smaller. The page's CSS colours it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from penchant.plots.charts import Scale

ROW, TOP, BOTTOM = 38, 4, 24  # pixels: a bar with its label above, and the margins
THICK = 10  # pixels, of a bar
LONGEST = 34  # characters of a label: more would run into the note on a phone
EDGE = 8  # per cent at each end where a tick's number is set inside


@dataclass(frozen=True)
class Bar:
    """A value from 0 with its interval, drawn unless both ends are the same; ``note`` stands
    to the right of its label, ``style`` is the CSS class that colours it, and ``tip`` says it all.
    """

    label: str
    value: float
    low: float
    high: float
    note: str
    style: str
    tip: str


def bar_plot(bars: Sequence[Bar], title: str, number: Callable[[float], str]) -> str:
    """A row a bar, on one axis from 0; ``number`` writes the ticks, ``title`` is read out."""
    highest = max((max(bar.high, bar.value) for bar in bars), default=0.0) or 1.0
    scale = Scale(0.0, highest * 1.03, 0.0, 100.0)
    bottom = TOP + ROW * len(bars)
    parts = [_tick(scale.at(tick), bottom, number(tick)) for tick in scale.ticks()]
    parts += [_row(scale, bar, TOP + ROW * place) for place, bar in enumerate(bars)]
    return (
        f'<svg class="fluid" width="100%" height="{bottom + BOTTOM}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _tick(x: float, bottom: float, number: str) -> str:
    side = "" if x < EDGE else " end" if x > 100 - EDGE else " middle"
    return (
        f'<line x1="{x:.2f}%" y1="{TOP}" x2="{x:.2f}%" y2="{bottom}" class="grid"/>'
        f'<text x="{x:.2f}%" y="{bottom + 16}" class="tick{side}">{escape(number)}</text>'
    )


def _row(scale: Scale, bar: Bar, top: float) -> str:
    middle = top + ROW - THICK / 2 - 4
    label = bar.label if len(bar.label) <= LONGEST else f"{bar.label[: LONGEST - 1]}…"
    return (
        f"<g><title>{escape(bar.tip)}</title>"
        f'<rect x="0" y="{top}" width="100%" height="{ROW}" class="nothing"/>'
        f'<text x="0" y="{top + 17}" class="label">{escape(label)}</text>'
        f'<text x="100%" y="{top + 17}" class="note end">{escape(bar.note)}</text>'
        f'<rect x="0" y="{middle - THICK / 2}" width="{max(scale.at(bar.value), 0.3):.2f}%" '
        f'height="{THICK}" rx="2" class="{bar.style}"/>'
        f"{_interval(scale, bar, middle)}</g>"
    )


def _interval(scale: Scale, bar: Bar, middle: float) -> str:
    """Nothing for a value that is known exactly."""
    if bar.low == bar.high:
        return ""
    low, high = scale.at(bar.low), scale.at(bar.high)
    return (
        f'<line x1="{low:.2f}%" y1="{middle}" x2="{high:.2f}%" y2="{middle}" class="interval"/>'
        f"{_cap(low, middle)}{_cap(high, middle)}"
    )


def _cap(x: float, middle: float) -> str:
    """The end of an interval."""
    return (
        f'<line x1="{x:.2f}%" y1="{middle - 3}" x2="{x:.2f}%" y2="{middle + 3}" class="interval"/>'
    )
