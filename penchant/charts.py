"""The report's two plots as inline SVG; the page's CSS colours them, for both themes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

WIDTH = 720  # of every plot, in SVG units; the page scales it
ROW = 44  # height of one family's row
LEFT, RIGHT, TOP, BOTTOM = 170, 24, 12, 44  # margins around the area where data is drawn


@dataclass(frozen=True)
class Point:
    """A mean with its interval; ``series`` is the CSS class that colours it."""

    mean: float
    low: float
    high: float
    series: str


@dataclass(frozen=True)
class Scale:
    """Maps data from ``low`` to ``high`` onto ``start`` to ``end`` in SVG units."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        low, high, value = self.low, self.high, max(value, self.low)
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Powers of ten on a logarithmic scale, else round steps, about five."""
        if self.logarithmic:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            return [10.0**power for power in range(first, last + 1)]
        step = round_step((self.high - self.low) / 5)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [step * number for number in range(first, last + 1)]


def round_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * (1 - 1e-9))


def interval_plot(rows: list[tuple[str, list[Point]]], axis: str) -> str:
    """One row a label: a dot at each mean, a line over its interval. ``axis`` names the unit."""
    highest = max((point.high for _, points in rows for point in points), default=0.0) or 1.0
    scale = Scale(0.0, highest * 1.05, LEFT, WIDTH - RIGHT)
    bottom = TOP + ROW * len(rows)
    parts = [*_vertical_grid(scale, TOP, bottom), _axis_name(axis, bottom)]
    for index, (label, points) in enumerate(rows):
        middle = TOP + ROW * (index + 0.5)
        parts.append(_text(LEFT - 14, middle + 5, label, "label end"))
        for place, point in enumerate(points):
            y = middle + 14 * (place - (len(points) - 1) / 2)
            tip = f"{label}: {point.mean:.4f} [{point.low:.4f}, {point.high:.4f}]"
            parts.append(_whisker(scale.at(point.low), y, scale.at(point.high), y, point.series))
            parts.append(_dot(scale.at(point.mean), y, 5.5, point.series, tip))
    return _svg(bottom + BOTTOM, axis, parts)


def cost_plot(rows: list[tuple[str, float, Point]], x_axis: str, y_axis: str) -> str:
    """Quality (up, with its interval) against cost (right, logarithmic), a labelled dot a row."""
    height, left = 340, 70
    costs = [cost for _, cost, _ in rows]
    decades = (
        10.0 ** math.floor(math.log10(min(costs))),
        10.0 ** math.ceil(math.log10(max(costs) * 1.01)),
    )
    x = Scale(*decades, left, WIDTH - RIGHT - 60, logarithmic=True)
    top = max((point.high for *_, point in rows), default=0.0) or 1.0
    y = Scale(0.0, top * 1.08, height - BOTTOM, TOP)
    parts = [*_vertical_grid(x, TOP, height - BOTTOM), _axis_name(x_axis, height - BOTTOM)]
    for tick in y.ticks():
        parts.append(_line(left, y.at(tick), WIDTH - RIGHT - 60, y.at(tick), "grid"))
        parts.append(_text(left - 8, y.at(tick) + 4, _number(tick), "tick end"))
    parts.append(_text(left, TOP - 1, y_axis, "tick"))
    for label, cost, point in rows:
        at = x.at(cost)
        tip = f"{label}: {point.mean:.4f} [{point.low:.4f}, {point.high:.4f}], {cost:.1f} s"
        parts.append(_whisker(at, y.at(point.low), at, y.at(point.high), point.series))
        parts.append(_dot(at, y.at(point.mean), 7, point.series, tip))
        parts.append(_text(at + 12, y.at(point.mean) + 5, label, "label"))
    return _svg(height, f"{y_axis} against {x_axis}", parts)


def _vertical_grid(scale: Scale, top: float, bottom: float) -> Iterator[str]:
    for tick in scale.ticks():
        yield _line(scale.at(tick), top, scale.at(tick), bottom, "grid")
        yield _text(scale.at(tick), bottom + 18, _number(tick), "tick middle")


def _axis_name(name: str, bottom: float) -> str:
    return _text(WIDTH - RIGHT, bottom + 38, name, "tick end")


def _number(value: float) -> str:
    return f"{value:g}" if value >= 1 or value == 0 else f"{value:.3g}"


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def _whisker(x1: float, y1: float, x2: float, y2: float, series: str) -> str:
    return _line(x1, y1, x2, y2, f"whisker {series}")


def _dot(x: float, y: float, radius: float, series: str, tip: str) -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="dot {series}">'
        f"<title>{escape(tip)}</title></circle>"
    )


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}">{escape(text)}</text>'


def _svg(height: float, label: str, parts: list[str]) -> str:
    body = "".join(parts)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'
        f"{body}</svg>"
    )
