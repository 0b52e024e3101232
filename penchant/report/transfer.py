"""The report's section on transfer: which categories took it, and what it is worth by how much of
them is learned from."""

from html import escape
from typing import Any

from penchant.plots.charts import Point, interval_plot
from penchant.report.parts import html_table, section

WAYS = {
    "transfer": "moved by adapters",
    "full": "moved by fine-tuning all",
    "scratch": "learned from scratch",
    "popularity": "popularity",
}
SERIES = {way: f"hue{number}" for number, way in enumerate(WAYS)}


def transfer_section(judged: list[tuple[str, dict[str, Any]]]) -> str:
    """Of each family that was judged on it; nothing where no category was small."""
    return "".join(_of(one) for _, one in judged if one["categories"])


def _of(one: dict[str, Any]) -> str:
    adopted = sum(each["status"] == "adopted" for each in one["categories"])
    rows = [
        [
            escape(each["category"]),
            escape(each["status"]),
            escape(each["served"]),
            escape(each["reason"]),
            f"{each['users']:,}",
            f"{each['share']:.0%}",
        ]
        for each in one["categories"]
    ]
    names = ["category", "verdict", "served by", "why", "users judged", "came by transfer"]
    return section(
        "What was moved to small categories",
        '<div class="soft">A model of the categories with much data, moved to those with little. A '
        "category takes it only where it ranks better than without by more than the interval, on "
        f"users that nothing was tuned on: {adopted} of {len(one['categories'])} did.</div>"
        f"{_curve(one['curve'])}{html_table(names, rows, numbers={4, 5})}",
    )


def _curve(points: list[dict[str, Any]]) -> str:
    if not points:
        return ""
    found = {(each["share"], each["way"]): each["ndcg"] for each in points}
    rows = [
        (
            f"{share:.0%} of the target",
            [
                Point(ndcg["mean"], ndcg["low"], ndcg["high"], series)
                for way, series in SERIES.items()
                if (ndcg := found.get((share, way)))
            ],
        )
        for share in sorted({share for share, _ in found})
    ]
    keys = " ".join(
        f'<span class="key {series}">{WAYS[way]}</span>' for way, series in SERIES.items()
    )
    return (
        f'<div class="soft">{keys}</div>'
        f"{interval_plot(rows, 'NDCG@10 among the items of the small categories, test window')}"
    )
