"""The report's sections on ranking: quality, cost, and families without a run."""

from html import escape
from typing import Any

from penchant.plots.charts import Point, Priced, cost_plot, interval_plot
from penchant.report.parts import family_name, html_table, metric_cell, section
from penchant.serving.status import METRIC


def quality_section(families: list[dict[str, Any]], selection: dict[str, Any] | None) -> str:
    rows = [(family_name(family["family"]), _points(family)) for family in families]
    keys = '<span class="key">all items</span><span class="key new">new to the user</span>'
    table = html_table(
        [
            "family",
            "live as",
            f"{METRIC}, all",
            f"{METRIC}, new",
            "recall@10, all",
            "recall@10, new",
        ],
        [
            [
                escape(family_name(family["family"])),
                "".join(f'<span class="badge">{escape(role)}</span>' for role in family["roles"]),
                *(
                    metric_cell(family["metrics"].get(population, {}).get(metric))
                    for metric in (METRIC, "recall@10")
                    for population in ("all", "new")
                ),
            ]
            for family in families
        ],
    )
    return section(
        "Ranking quality of each family",
        f'<div class="soft">NDCG@10 over the whole catalogue, on purchases after the '
        f"training data; the line is the 95 % interval over users. {keys}</div>"
        f"{interval_plot(rows, 'NDCG@10')}{_failures(selection)}"
        f"<details><summary>table</summary>{table}{_beyond_accuracy(families)}</details>",
    )


def _beyond_accuracy(families: list[dict[str, Any]]) -> str:
    """Novelty, diversity and the like: a column for each metric of the run records and population.

    See ``training/evaluation/metrics/leaderboard.py``.
    """
    found = {family["family"]: family.get("beyond_accuracy") or {} for family in families}
    names = list(dict.fromkeys(name for one in found.values() for name in one.get("all", {})))
    if not names:
        return ""
    columns = [(name, population) for name in names for population in ("all", "new")]
    rows = [
        [
            escape(family_name(family)),
            *(_number(one.get(population, {}).get(name)) for name, population in columns),
        ]
        for family, one in found.items()
    ]
    titles = [f"{name.replace('_', ' ')}, {population}" for name, population in columns]
    return html_table(["family", *titles], rows, set(range(1, len(titles) + 1)))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _failures(selection: dict[str, Any] | None) -> str:
    """Why families have no run."""
    failures = selection["failures"] if selection else {}
    lines = "".join(
        f"<li>{escape(family_name(family))} has no run: {escape(cause)}</li>"
        for family, cause in failures.items()
    )
    return f'<ul class="bad">{lines}</ul>' if lines else ""


COSTS = (
    ("fit_seconds", 1.0, "seconds to fit"),
    ("peak_memory_bytes", 1e6, "peak memory, MB"),
    ("scoring_ms_per_user", 1.0, "milliseconds to score a user"),
)


def cost_section(families: list[dict[str, Any]]) -> str:
    plots = "".join(
        cost_plot(
            [
                Priced(
                    family_name(family["family"]),
                    max(family[name] / unit, 0.001),
                    _points(family)[0],
                )
                for family in families
            ],
            f"{axis} (logarithmic)",
            "NDCG@10, all items",
        )
        for name, unit, axis in COSTS
    )
    table = html_table(
        ["family", "fit, s", "whole run, s", "peak MB", "ms per user", "parameters", "device"],
        [
            [
                escape(family_name(family["family"])),
                f"{family['fit_seconds']:,.1f}",
                f"{family['seconds']:,.1f}",
                f"{family['peak_memory_bytes'] / 1e6:,.0f}",
                f"{family['scoring_ms_per_user']:.3f}",
                f"{family['parameters']:,}" if family["parameters"] is not None else "-",
                escape(family["device"] or "-"),
            ]
            for family in families
        ],
        numbers={1, 2, 3, 4, 5},
    )
    return section(
        "Quality against cost",
        '<div class="soft">Up is better, left is cheaper. The line is the Pareto front: '
        "families for which no other is both better and cheaper. Scoring is over the whole "
        f'catalogue, in batches.</div><div class="plots">{plots}</div>'
        f"<details><summary>table</summary>{table}</details>",
    )


def _points(family: dict[str, Any]) -> list[Point]:
    """NDCG@10 on all items, and on new items where it was measured."""
    found = ((name, family["metrics"].get(name, {}).get(METRIC)) for name in ("all", "new"))
    return [
        Point(metric["mean"], metric["low"], metric["high"], name)
        for name, metric in found
        if metric
    ]
