"""The report's plots as inline SVG; the page's CSS colours them, for both themes.

Many families need more colours than people distinguish, so a label beside each mark names it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH = 720  # of a whole row's plot, in SVG units; the page scales it
HALF = 460  # of a plot beside another
ROW = 32  # height of one family's row
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
        """On a logarithmic scale powers of ten, or 1, 2, 5 where there are few; else about five."""
        if self.logarithmic:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            powers = [10.0**power for power in range(first, last + 1)]
            found = [power * digit for power in powers for digit in (1, 2, 5)]
            inside = [tick for tick in found if self.low <= tick <= self.high]
            return inside if len(inside) <= 6 else [tick for tick in inside if tick in powers]
        step = round_step((self.high - self.low) / 5)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [step * number for number in range(first, last + 1)]


def round_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * (1 - 1e-9))


def interval_plot(
    rows: list[tuple[str, list[Point]]], axis: str, start: float = 0.0, width: float = WIDTH
) -> str:
    """One row a label: a dot at each mean, a line over its interval. ``axis`` names the unit;
    ``start`` is where it begins, ``width`` the plot's, in SVG units."""
    highest = max((point.high for _, points in rows for point in points), default=0.0) or 1.0
    scale = Scale(start, start + (highest - start) * 1.05, LEFT, width - RIGHT)
    bottom = TOP + ROW * len(rows)
    parts = [*_vertical_grid(scale, TOP, bottom), _axis_name(axis, bottom, width - RIGHT)]
    for index, (label, points) in enumerate(rows):
        middle = TOP + ROW * (index + 0.5)
        parts.append(_text(LEFT - 14, middle + 5, label, "label end"))
        for place, point in enumerate(points):
            y = middle + 10 * (place - (len(points) - 1) / 2)
            tip = f"{label}: {point.mean:.4f} [{point.low:.4f}, {point.high:.4f}]"
            parts.append(_whisker(scale.at(point.low), y, scale.at(point.high), y, point.series))
            parts.append(_dot(scale.at(point.mean), y, 4.5, point.series, tip))
    return _svg(bottom + BOTTOM, axis, parts, width)


def dot_plot(rows: list[tuple[str, list[float]]], groups: list[str], axis: str) -> str:
    """One row a label: a dot for each group, darker from the first to the last."""
    highest = max((value for _, values in rows for value in values), default=0.0) or 1.0
    scale = Scale(0.0, highest * 1.05, LEFT, WIDTH - RIGHT)
    height = 24
    bottom = TOP + height * len(rows)
    parts = [*_vertical_grid(scale, TOP, bottom), _axis_name(axis, bottom)]
    for index, (label, values) in enumerate(rows):
        y = TOP + height * (index + 0.5)
        parts.append(_text(LEFT - 14, y + 5, label, "label end"))
        parts.append(_line(scale.at(min(values)), y, scale.at(max(values)), y, "grid"))
        for number, (group, value) in enumerate(zip(groups, values, strict=True)):
            tip = f"{label}, {group}: {value:.4f}"
            parts.append(_dot(scale.at(value), y, 5, f"all shade{number}", tip))
    return _svg(bottom + BOTTOM, axis, parts)


@dataclass(frozen=True)
class Priced:
    """A family's quality and what it cost."""

    label: str
    cost: float
    quality: Point


def cost_plot(rows: list[Priced], x_axis: str, y_axis: str) -> str:
    """Quality (up, with its interval) against cost (right, logarithmic).

    The Pareto front is a line: nothing below it and to its right is both as good and as cheap.
    """
    height, left, right = 340, 56, HALF - 16
    costs = [row.cost for row in rows]
    x = Scale(min(costs) / 1.3, max(costs) * 1.3, left + 8, right - 8, logarithmic=True)
    lowest = min(row.quality.low for row in rows)
    highest = max(row.quality.high for row in rows)
    margin = 0.06 * (highest - lowest) or 0.1
    y = Scale(max(0.0, lowest - margin), highest + margin, height - BOTTOM, TOP + 12)
    parts = [
        *_vertical_grid(x, TOP + 12, height - BOTTOM),
        *_horizontal_grid(y, left, right),
        _axis_name(x_axis, height - BOTTOM, right),
        _text(left, TOP, y_axis, "tick"),
    ]
    front = pareto_front(rows)
    corners = [(x.at(row.cost), y.at(row.quality.mean)) for row in front]
    parts.append(_path(_stairs(corners), "front"))
    dots = [(x.at(row.cost), y.at(row.quality.mean)) for row in rows]
    for row, (at, up) in zip(rows, dots, strict=True):
        point, style = row.quality, "all" if row in front else "rest"
        tip = f"{row.label}: {point.mean:.4f} [{point.low:.4f}, {point.high:.4f}], {row.cost:,.3g}"
        parts.append(_whisker(at, y.at(point.low), at, y.at(point.high), f"thin {style}"))
        parts.append(_dot(at, up, 5, style, tip))
    labels = [row.label for row in rows]
    places = beside(dots, labels, left, right)
    for label, (x_dot, y_dot), (at, up) in zip(labels, dots, places, strict=True):
        end = min(max(x_dot, at), at + LETTER * len(label)), up - 4
        if math.dist((x_dot, y_dot), end) > FAR:
            parts.append(_line(x_dot, y_dot, *end, "leader"))
        parts.append(_text(at, up, label, "small"))
    return _svg(height, f"{y_axis} against {x_axis}", parts, HALF)


def figure_plot(
    rows: list[tuple[float, Point]], x_axis: str, y_axis: str, diagonal: bool = False
) -> str:
    """Figures, with their intervals, that may be below 0; with ``diagonal``, where both axes say
    the same. Of width ``HALF``."""
    height, left, right = 300, 56, HALF - 16
    highest = max(at for at, _ in rows)
    x = Scale(0.0, highest * 1.08 or 1.0, left + 8, right - 8)
    ends = [value for _, point in rows for value in (point.low, point.high)]
    y = Scale(min(0.0, *ends), max(*ends, 1e-9) * 1.05, height - BOTTOM, TOP + 12)
    parts = [
        *_vertical_grid(x, TOP + 12, height - BOTTOM),
        *_horizontal_grid(y, left, right),
        _line(left, y.at(0.0), right, y.at(0.0), "faint"),
        _axis_name(x_axis, height - BOTTOM, right),
        _text(left, TOP, y_axis, "tick"),
    ]
    if diagonal:
        both = min(x.high, y.high)
        parts.append(_line(x.at(0.0), y.at(0.0), x.at(both), y.at(both), "front"))
    for at, point in rows:
        tip = f"{at:.3g}: {point.mean:.3g} [{point.low:.3g}, {point.high:.3g}]"
        parts.append(_whisker(x.at(at), y.at(point.low), x.at(at), y.at(point.high), point.series))
        parts.append(_dot(x.at(at), y.at(point.mean), 4.5, point.series, tip))
    return _svg(height, f"{y_axis} against {x_axis}", parts, HALF)


def pareto_front(rows: list[Priced]) -> list[Priced]:
    """The points that no other dominates in quality and cost, cheapest first."""
    front: list[Priced] = []
    for row in sorted(rows, key=lambda row: (row.cost, -row.quality.mean)):
        if not front or row.quality.mean > front[-1].quality.mean:
            front.append(row)
    return front


LETTER, LINE = 6.1, 13.0  # of a small label, in SVG units
FAR = 17.0  # from its dot: then a line leads to the label


def beside(
    dots: list[tuple[float, float]], labels: list[str], left: float, right: float
) -> list[tuple[float, float]]:
    """Where each label starts: the place near its dot that covers least of dots and labels."""
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in dots]
    places = []
    for (x, y), label in zip(dots, labels, strict=True):
        width = LETTER * len(label)
        tried = [
            (start, base)
            for away in (0, 14, 26, 38)
            for start, base in (
                (x + 9, y + 4 - away),
                (x + 9, y + 4 + away),
                (x - 9 - width, y + 4 - away),
                (x - 9 - width, y + 4 + away),
                (x - width / 2, y - 10 - away),
                (x - width / 2, y + 18 + away),
            )
            if start >= left and start + width <= right
        ]
        boxes = [(start, base - LINE + 3, start + width, base + 3) for start, base in tried]
        covered = [sum(_overlap(box, other) for other in taken) for box in boxes]
        best = covered.index(min(covered))
        taken.append(boxes[best])
        places.append(tried[best])
    return places


Box = tuple[float, float, float, float]


def _overlap(one: Box, other: Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, across) * max(0.0, down)


def _stairs(corners: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A front as steps: its quality holds until the next one's cost."""
    steps = corners[:1]
    for (_, before), (x, y) in pairwise(corners):
        steps += [(x, before), (x, y)]
    return steps


def curve_plots(curves: dict[str, list[tuple[float, float]]], x_axis: str) -> str:
    """A small plot a family, all on the same axes, the others' curves faint behind its own."""
    across, wide, tall, gap = 4, 168, 122, 10
    every = [point for curve in curves.values() for point in curve]
    down = math.ceil(len(curves) / across)
    width, height = across * (wide + gap) - gap, down * (tall + gap)
    longest = max(seconds for seconds, _ in every)
    lowest, highest = (choose(value for _, value in every) for choose in (min, max))
    parts = []
    for number, (label, own) in enumerate(curves.items()):
        left, top = (number % across) * (wide + gap) + 30, (number // across) * (tall + gap) + 18
        x = Scale(0.0, longest * 1.02, left, left + wide - 34)
        y = Scale(lowest, max(highest, lowest + 1e-3), top + tall - 38, top + 4)
        parts.append(_text(left, top - 4, label, "small strong"))
        for at in (x.low, round_down(longest)):
            parts.append(_text(x.at(at), top + tall - 22, f"{at:g} s", "tiny middle"))
        for at in (lowest, highest):
            parts.append(_text(left - 4, y.at(at) + 3, f"{at:.2f}", "tiny end"))
            parts.append(_line(left, y.at(at), left + wide - 34, y.at(at), "grid"))
        others = [curve for name, curve in curves.items() if name != label]
        for style, curve in [*(("faint", curve) for curve in others), ("curve", own)]:
            parts.append(_path([(x.at(seconds), y.at(value)) for seconds, value in curve], style))
        end, value = own[-1]
        tip = f"{label}: {value:.4f} after {end:.1f} s, best {max(v for _, v in own):.4f}"
        parts.append(_dot(x.at(end), y.at(value), 3, "all", tip))
    return _svg(height, f"validation NDCG@10 against {x_axis}", parts, width)


def line_plot(lines: dict[str, list[tuple[float, float]]], x_axis: str, y_axis: str) -> str:
    """Lines on the same axes from 0, coloured in their order: ``line0``, ``line1`` and so on."""
    height, left, right = 320, 56, WIDTH - 16
    every = [point for line in lines.values() for point in line]
    x = Scale(0.0, max(at for at, _ in every), left, right)
    y = Scale(0.0, max(value for _, value in every) * 1.05 or 1.0, height - BOTTOM, TOP + 12)
    parts = [
        *_vertical_grid(x, TOP + 12, height - BOTTOM),
        *_horizontal_grid(y, left, right),
        _axis_name(x_axis, height - BOTTOM, right),
        _text(left, TOP, y_axis, "tick"),
    ]
    for number, line in enumerate(lines.values()):
        parts.append(_path([(x.at(at), y.at(value)) for at, value in line], f"line{number}"))
    return _svg(height, f"{y_axis} against {x_axis}", parts)


def round_down(value: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above ``value``."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * digit for digit in (5, 2, 1) if power * digit <= value * (1 + 1e-9))


@dataclass(frozen=True)
class Spot:
    """An item on the map; ``series`` is the CSS class that colours it."""

    x: float
    y: float
    series: str
    tip: str


def map_plot(spots: Sequence[Spot], label: str) -> str:
    """Items where their vectors lie; the axes mean nothing."""
    height = 460
    x = Scale(*_extent([spot.x for spot in spots]), 10, WIDTH - 10)
    y = Scale(*_extent([spot.y for spot in spots]), height - 10, 10)
    parts = [_dot(x.at(spot.x), y.at(spot.y), 3.2, spot.series, spot.tip) for spot in spots]
    return _svg(height, label, parts)


def _extent(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return low, high if high > low else low + 1


def _path(points: list[tuple[float, float]], style: str) -> str:
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{line}" class="{style}"/>'


def _vertical_grid(scale: Scale, top: float, bottom: float) -> Iterator[str]:
    for tick in scale.ticks():
        yield _line(scale.at(tick), top, scale.at(tick), bottom, "grid")
        yield _text(scale.at(tick), bottom + 18, _number(tick), "tick middle")


def _horizontal_grid(scale: Scale, left: float, right: float) -> Iterator[str]:
    for tick in scale.ticks():
        yield _line(left, scale.at(tick), right, scale.at(tick), "grid")
        yield _text(left - 6, scale.at(tick) + 4, _number(tick), "tick end")


def _axis_name(name: str, bottom: float, right: float = WIDTH - RIGHT) -> str:
    return _text(right, bottom + 38, name, "tick end")


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


def _svg(height: float, label: str, parts: list[str], width: float = WIDTH) -> str:
    body = "".join(parts)
    return (
        f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(label)}">'
        f"{body}</svg>"
    )
