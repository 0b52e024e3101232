"""The report's section on synthetic users."""

from html import escape
from typing import Any

from penchant.plots.charts import HALF, interval_plot
from penchant.report.parts import family_name, html_table, metric_cell, point, section

Evaluated = list[tuple[str, dict[str, Any]]]

VARIETY = {
    "distinct_2": ("distinct pairs", 3),
    "distinct_3": ("distinct triples", 3),
    "items": ("items", 0),
    "item_entropy": ("entropy of items", 2),
    "category_entropy": ("entropy of categories", 2),
    "bought_before": ("repeats", 3),
    "nearest_other": ("similarity to nearest", 3),
}


def generation_section(evaluated: Evaluated) -> str:
    """Utility, two-sample test, diversity and privacy of synthetic histories."""
    title = "Synthetic users"
    complete = [(name, one) for name, one in evaluated if "missing" not in one]
    incomplete = "".join(
        f'<div class="bad">{family_name(name)}: {escape(one["missing"])}; '
        f"{escape(one['remedy'])}.</div>"
        for name, one in evaluated
        if "missing" in one
    )
    if not complete:
        return section(title, incomplete)
    forests = [
        _forest(complete, ("utility", "ranking", "difference"), "NDCG@10 added to a ranker", 0.0),
        _forest(complete, ("two_sample_auc", "all"), "two-sample AUC: synthetic or real", 0.5),
        _forest(
            complete, ("privacy", "membership_auc"), "membership AUC: learned from or not", 0.5
        ),
    ]
    histories = complete[0][1]["histories"]
    headlines = "".join(
        f"<li>{family_name(name)}: {escape(one['headline'])}</li>" for name, one in complete
    )
    return section(
        title,
        f'<div class="soft">{histories:,} synthetic histories of each family. Where they add '
        "nothing to a ranker, the interval contains 0. A two-sample AUC of 0.5: synthetic "
        "and real histories can't be distinguished; a membership AUC of 0.5, that a model fitted "
        "on a part of the users doesn't reveal which. Lines are 95 % intervals.</div>"
        f'{incomplete}<ul>{headlines}</ul><div class="plots">{"".join(forests)}</div>'
        f"<details><summary>table</summary>{_use(complete)}{_variety(complete)}</details>",
    )


def _forest(complete: Evaluated, path: tuple[str, ...], title: str, nothing: float) -> str:
    """``nothing``: the value without an effect, where the axis starts unless a value is below."""
    rows = [
        (family_name(name), [point(_of(one, path))]) for name, one in complete if _of(one, path)
    ]
    lowest = min([nothing, *(each.low for _, points in rows for each in points)])
    return interval_plot(rows, title, lowest, HALF) if rows else ""


def _of(one: dict[str, Any], path: tuple[str, ...]) -> dict[str, float]:
    for name in path:
        one = one.get(name, {})
    return one


def _use(complete: Evaluated) -> str:
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
        for name, one in complete
    ]
    return html_table(["family", *columns, "copies", "rejected"], rows)


def _variety(complete: Evaluated) -> str:
    kinds = [("real users", complete[0][1]["diversity"]["real"])]
    kinds += [(family_name(name), one["diversity"]["synthetic"]) for name, one in complete]
    rows = [
        [name, *(f"{figures[key]:,.{digits}f}" for key, (_, digits) in VARIETY.items())]
        for name, figures in kinds
    ]
    titles = [title for title, _ in VARIETY.values()]
    return html_table(["histories of", *titles], rows, set(range(1, len(titles) + 1)))
