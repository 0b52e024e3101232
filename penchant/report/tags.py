"""The report's section on proposed tags."""

from html import escape
from typing import Any

from penchant.plots.charts import figure_plot
from penchant.report.parts import html_table, metric_cell, point, section

WAYS = ("both", "words", "users", "most common")
TITLES = {"category_1": "category", "category_3": "type"}
FIRST, AMONG = "precision@1", "found in 3"


def tags_section(evaluated: list[tuple[str, dict[str, Any]]]) -> str:
    """Of the first family that proposes tags."""
    _, one = evaluated[0]
    if "missing" in one:
        cause = f"No tags: {escape(one['missing'])}. {escape(one['remedy'])}."
        return section("Proposed tags", f"<p>{cause}</p>")
    plots = "".join(
        figure_plot(
            [(at + 1, point(found["names hidden"][way][FIRST])) for at, way in enumerate(WAYS)],
            ", ".join(f"{at + 1} {way}" for at, way in enumerate(WAYS)),
            f"{TITLES[level]} right at rank 1",
        )
        for level, found in one["levels"].items()
    )
    rows = [
        [
            TITLES[level],
            escape(setting),
            way,
            *(metric_cell(found[setting][way][each]) for each in (FIRST, AMONG)),
        ]
        for level, found in one["levels"].items()
        for setting in ("as they are", "names hidden")
        for way in WAYS
    ]
    counts = "; ".join(
        f"{TITLES[level]}: {count['proposed']:,} of the {count['lacking']:,} items without one"
        for level, count in one["proposed"]["counts"].items()
    )
    first = [
        [escape(each["item_id"]), TITLES[each["level"]], escape(each["tag"])]
        for each in one["proposed"]["first"]
    ]
    return section(
        "Proposed tags",
        f'<div class="soft">Tags for items without them ({counts}), by a vote of the nearest items '
        "in words and of items with the same users. Evaluated on held-out items; with names "
        "hidden, an item's own categories are removed from its title and description. Lines are "
        "95 % intervals over items.</div>"
        f'<div class="plots">{plots}</div>'
        f"{html_table(['item', 'tag', 'proposed'], first) if first else ''}"
        "<details><summary>table</summary>"
        f"{html_table(['tag', 'words', 'proposed by', FIRST, 'among the first 3'], rows)}"
        "</details>",
    )
