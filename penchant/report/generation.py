"""The report's section on users who are made up."""

from html import escape
from typing import Any

from penchant.plots.charts import HALF, interval_plot
from penchant.report.parts import family_name, html_table, metric_cell, point, section

Judged = list[tuple[str, dict[str, Any]]]

VARIETY = {
    "distinct_2": ("distinct pairs", 3),
    "distinct_3": ("distinct triples", 3),
    "items": ("items", 0),
    "item_entropy": ("entropy of items", 2),
    "category_entropy": ("entropy of categories", 2),
    "bought_before": ("repeats", 3),
    "nearest_other": ("alike", 3),
}


def generation_section(judged: Judged) -> str:
    """Are made-up histories of use, told from real ones, as various as these, and private."""
    title = "Made-up users"
    told = [(name, one) for name, one in judged if "missing" not in one]
    silent = "".join(
        f'<div class="bad">{family_name(name)}: {escape(one["missing"])}; '
        f"{escape(one['remedy'])}.</div>"
        for name, one in judged
        if "missing" in one
    )
    if not told:
        return section(title, silent)
    forests = [
        _forest(
            told, ("utility", "ranking", "difference"), "NDCG@10 that they add to a ranker", 0.0
        ),
        _forest(told, ("two_sample_auc", "all"), "two-sample AUC: synthetic or real", 0.5),
        _forest(told, ("privacy", "membership_auc"), "membership AUC: learned from or not", 0.5),
    ]
    made = told[0][1]["histories"]
    verdicts = "".join(
        f"<li>{family_name(name)}: {escape(one['headline'])}</li>" for name, one in told
    )
    return section(
        title,
        f'<div class="soft">{made:,} histories of users who do not exist, made up by each '
        "family. Where they add nothing to a ranker, the interval lies over 0. An AUC of 0.5 means "
        "that nothing can be told. Whom a family learned from is asked of one of its kind that was "
        "taught by some users only. Lines are 95 % intervals.</div>"
        f'{silent}<ul>{verdicts}</ul><div class="plots">{"".join(forests)}</div>'
        f"<details><summary>the figures</summary>{_use(told)}{_variety(told)}</details>",
    )


def _forest(told: Judged, path: tuple[str, ...], title: str, nothing: float) -> str:
    """From ``nothing``, the figure that says so, or from what lies below it."""
    rows = [(family_name(name), [point(_of(one, path))]) for name, one in told if _of(one, path)]
    lowest = min([nothing, *(each.low for _, points in rows for each in points)])
    return interval_plot(rows, title, lowest, HALF) if rows else ""


def _of(one: dict[str, Any], path: tuple[str, ...]) -> dict[str, float]:
    for name in path:
        one = one.get(name, {})
    return one


def _use(told: Judged) -> str:
    columns = {
        "NDCG@10 added": ("utility", "ranking", "difference"),
        "log loss of interests added": ("utility", "interests", "difference"),
        "two-sample AUC, items": ("two_sample_auc", "items"),
        "two-sample AUC, items and times": ("two_sample_auc", "all"),
        "membership AUC": ("privacy", "membership_auc"),
        "nearest, ratio": ("privacy", "nearest_ratio"),
    }
    rows = [
        [
            family_name(name),
            *(metric_cell(_of(one, path) or None) for path in columns.values()),
            f"{one['privacy']['copies']:,}",
            f"{one['privacy']['rejected']:,}",
        ]
        for name, one in told
    ]
    return html_table(["family", *columns, "copies", "rejected"], rows)


def _variety(told: Judged) -> str:
    kinds = [("real users", told[0][1]["diversity"]["real"])]
    kinds += [(family_name(name), one["diversity"]["synthetic"]) for name, one in told]
    rows = [
        [name, *(f"{figures[key]:,.{digits}f}" for key, (_, digits) in VARIETY.items())]
        for name, figures in kinds
    ]
    titles = [title for title, _ in VARIETY.values()]
    return html_table(["histories of", *titles], rows, set(range(1, len(titles) + 1)))
