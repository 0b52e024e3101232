"""The report's section on tags that were proposed for items."""

from html import escape
from typing import Any

from penchant.plots.charts import figure_plot
from penchant.report.parts import html_table, metric_cell, point, section

WAYS = ("both", "words", "users", "most common")
TITLES = {"category_1": "category", "category_3": "type"}
FIRST, AMONG = "precision@1", "found in 3"


def tags_section(judged: list[tuple[str, dict[str, Any]]]) -> str:
    """Of the one family that proposes."""
    _, one = judged[0]
    if "missing" in one:
        said = f"Nothing was proposed: {escape(one['missing'])}. {escape(one['remedy'])}."
        return section("Tags proposed for items", f"<p>{said}</p>")
    plots = "".join(
        figure_plot(
            [(at + 1, point(found["names hidden"][way][FIRST])) for at, way in enumerate(WAYS)],
            ", ".join(f"{at + 1} {way}" for at, way in enumerate(WAYS)),
            f"{TITLES[level]} right at the first try",
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
        "Tags proposed for items",
        f'<div class="soft">Tags were proposed for items that lack them ({counts}): the items '
        "nearest in words, and those of the same users, vote. Judged on held-out items; with "
        "names hidden, an item's own categories are taken out of its title and description. Lines "
        "are 95 % intervals over items.</div>"
        f'<div class="plots">{plots}</div>'
        f"{html_table(['item', 'tag', 'proposed'], first) if first else ''}"
        "<details><summary>the figures</summary>"
        f"{html_table(['tag', 'words', 'proposed by', FIRST, 'among the first 3'], rows)}"
        "</details>",
    )
