"""What was, and what is expected with its interval, as one line over time in inline SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from penchant.plots.charts import Scale

WIDTH, HEIGHT = 460, 190  # SVG units
LEFT, RIGHT, TOP, BOTTOM = 56, 8, 10, 26


@dataclass(frozen=True)
class Band:
    """An expected value with the ends of its interval."""

    label: str
    mean: float
    low: float
    high: float


def band_plot(history: Sequence[float], ahead: Sequence[Band], title: str) -> str:
    """A solid line of the past, a dashed one of the future within its interval. ``title`` is read
    out; the page's CSS colours it."""
    highest = max([*history, *(band.high for band in ahead)], default=0.0) or 1.0
    x = Scale(0, len(history) + len(ahead) - 1, LEFT, WIDTH - RIGHT)
    y = Scale(0.0, highest * 1.05, HEIGHT - BOTTOM, TOP)
    last = len(history) - 1
    past = [(x.at(week), y.at(pieces)) for week, pieces in enumerate(history)]
    future = [(x.at(last + step), y.at(b.mean)) for step, b in enumerate(ahead, start=1)]
    upper = [(x.at(last + step), y.at(b.high)) for step, b in enumerate(ahead, start=1)]
    lower = [(x.at(last + step), y.at(b.low)) for step, b in enumerate(ahead, start=1)]
    parts = [
        f'<line x1="{LEFT}" y1="{y.at(tick):.1f}" x2="{WIDTH - RIGHT}" y2="{y.at(tick):.1f}" '
        f'class="grid"/><text x="{LEFT - 6}" y="{y.at(tick) + 4:.1f}" class="tick end">'
        f"{tick:,.0f}</text>"
        for tick in y.ticks()
    ]
    parts.append(f'<polygon points="{_points([*past[-1:], *upper, *lower[::-1]])}" class="band"/>')
    parts.append(f'<polyline points="{_points(past)}" class="past"/>')
    parts.append(f'<polyline points="{_points([*past[-1:], *future])}" class="ahead"/>')
    for band, (at, up) in zip(ahead, future, strict=True):
        tip = f"{band.label}: {band.mean:,.1f}, 90 % interval {band.low:,.1f} to {band.high:,.1f}"
        parts.append(
            f'<circle cx="{at:.1f}" cy="{up:.1f}" r="4" class="dot all">'
            f"<title>{escape(tip)}</title></circle>"
        )
    if ahead:
        parts.append(
            f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" class="tick end">'
            f"weeks to {escape(ahead[-1].label)}</text>"
        )
    return (
        f'<svg class="band-plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
