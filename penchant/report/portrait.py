"""The report's section on an example user's portrait, and on segments."""

from html import escape
from typing import Any

from penchant.report.parts import html_table, section
from penchant.serving.portrait import Portrait
from penchant.serving.portrait_plot import interests_plot


def portrait_section(portrait: Portrait, segments: list[dict[str, Any]]) -> str:
    """A bar for each interest, with its interval, trend and half-life."""
    loyalty = "" if portrait.brand_loyalty is None else f", brand kept {portrait.brand_loyalty:.0%}"
    about = (
        f"User {escape(portrait.user_id)}: {escape(portrait.lifecycle_stage)}"
        f"{f', price band {escape(portrait.price_band)}' if portrait.price_band else ''}{loyalty}"
        f"{f', segment {escape(portrait.segment)}' if portrait.segment else ''}. "
        "A bar is the expected share of the user's events in a category, the line its 90 % "
        "interval; pale bars are the share among all users, for categories without an event of "
        "this user. Arrows: the trend of the last 28 days; days: the half-life of the interest."
    )
    drawn = interests_plot(portrait.interests) if portrait.interests else "<p>No interests yet.</p>"
    rows = [
        [escape(each["name"]), f"{each['users']:,}", escape(", ".join(each["interests"][:3]))]
        for each in segments
    ]
    table = html_table(["segment", "users", "distinguishing interests"], rows, numbers={1})
    return section(
        "Portrait of an example user",
        f'<div class="soft">{about}</div>{drawn}'
        + (f"<h3>Segments, by users' vectors</h3>{table}" if segments else ""),
    )
