"""The report's section on transfer: the decision on each category, and learning curves."""

from html import escape
from typing import Any

from penchant.plots.charts import Point, interval_plot
from penchant.report.parts import html_table, section

WAYS = {
    "transfer": "adapters",
    "full": "full fine-tuning",
    "scratch": "from scratch",
    "popularity": "popularity",
}
SERIES = {way: f"hue{number}" for number, way in enumerate(WAYS)}


def transfer_section(evaluated: list[tuple[str, dict[str, Any]]]) -> str:
    """Of each family that was evaluated on it; empty without a small category."""
    return "".join(_of(one) for _, one in evaluated if one["categories"])


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
    names = ["category", "decision", "served by", "reason", "users", "share by transfer"]
    return section(
        "Transfer to small categories",
        '<div class="soft">A model of the categories with much data is transferred to those with '
        "little. A category adopts it only where its NDCG@10 is significantly better, on held-out "
        f"users: {adopted} of {len(one['categories'])} did.</div>"
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
