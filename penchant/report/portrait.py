"""The report's section on one shopper's portrait, and on the segments of all."""

from html import escape
from typing import Any

from penchant.charts import Scale
from penchant.report.parts import html_table, section
from penchant.serving.portrait import Interest, Portrait

WIDTH, LEFT, RIGHT, ROW = 720, 250, 110, 30  # SVG units: the labels' and the notes' columns, a row


def portrait_section(portrait: Portrait, segments: list[dict[str, Any]]) -> str:
    """A bar for each interest, with its interval, its trend's arrow and its half-life."""
    loyalty = "" if portrait.brand_loyalty is None else f", brand kept {portrait.brand_loyalty:.0%}"
    about = (
        f"Shopper {escape(portrait.user_id)}: {escape(portrait.lifecycle_stage)}"
        f"{f', price band {escape(portrait.price_band)}' if portrait.price_band else ''}{loyalty}"
        f"{f', segment {escape(portrait.segment)}' if portrait.segment else ''}. "
        "A bar is the share of what they do that is expected in a category, the line its 90 % "
        "interval; pale bars are the shop's share, where they did nothing yet. Arrows: the last 28 "
        "days against that; days: the half-life, within which they come back with a chance of half."
    )
    drawn = _plot(portrait.interests) if portrait.interests else "<p>No interests yet.</p>"
    rows = [
        [escape(each["name"]), f"{each['users']:,}", escape(", ".join(each["interests"][:3]))]
        for each in segments
    ]
    table = html_table(["segment", "shoppers", "likes more than all do"], rows, numbers={1})
    return section(
        "A portrait",
        f'<div class="soft">{about}</div>{drawn}'
        + (f"<h3>Segments, by shoppers' vectors</h3>{table}" if segments else ""),
    )


def _plot(interests: tuple[Interest, ...]) -> str:
    highest = max(each.high for each in interests)
    scale = Scale(0.0, highest * 1.02, LEFT, WIDTH - RIGHT)
    bottom = 8 + ROW * len(interests)
    parts = [_grid(scale, tick, bottom) for tick in scale.ticks()]
    parts += [_row(scale, each, 8 + ROW * (place + 0.5)) for place, each in enumerate(interests)]
    return (
        f'<svg viewBox="0 0 {WIDTH} {bottom + 30}" role="img" aria-label="interests of a shopper">'
        f"{''.join(parts)}</svg>"
    )


def _grid(scale: Scale, tick: float, bottom: float) -> str:
    x = scale.at(tick)
    return (
        f'<line x1="{x:.1f}" y1="4" x2="{x:.1f}" y2="{bottom}" class="grid"/>'
        f'<text x="{x:.1f}" y="{bottom + 18}" class="tick middle">{tick:.0%}</text>'
    )


def _row(scale: Scale, each: Interest, y: float) -> str:
    tip = f"{each.category}: {each.weight:.1%}, 90 % interval {each.low:.1%} to {each.high:.1%}"
    label = each.category.split(" > ")[-1]
    style = "bar-all" if each.evidence else "bar-rest"
    moved = f", {each.transferred:.0%} transferred" if each.transferred else ""
    return (
        f"<g><title>{escape(tip)}</title>"
        f'<text x="{LEFT - 12}" y="{y + 5:.1f}" class="small strong end">{escape(label)}</text>'
        f'<rect x="{scale.at(0):.1f}" y="{y - 8:.1f}" height="16" rx="2" class="{style}" '
        f'width="{max(scale.at(each.weight) - scale.at(0), 1):.1f}"/>'
        f'<line x1="{scale.at(each.low):.1f}" y1="{y:.1f}" x2="{scale.at(each.high):.1f}" '
        f'y2="{y:.1f}" class="interval"/>'
        f'<text x="{WIDTH - RIGHT + 12}" y="{y + 5:.1f}" class="small strong">{each.arrow} '
        f"{each.half_life_days:.0f} d{moved}</text></g>"
    )
