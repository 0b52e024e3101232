"""The report's sections on learning curves, unique hits, cold users and the map of items."""

from html import escape
from typing import Any

from penchant.plots.charts import Spot, curve_plots, dot_plot, map_plot
from penchant.report.figures import Curve, Figures, FoundTargets, Warmth
from penchant.report.parts import family_name, html_table, section


def curves_section(curves: dict[str, Curve]) -> str:
    if not curves:
        return ""
    named = {family_name(name): curve for name, curve in curves.items()}
    return section(
        "Learning curves",
        '<div class="soft">NDCG@10 on a sample of the validation window during the fit, against '
        "seconds since the run began; families without steps have a point for each setting that "
        f"they try. Other families are faint.</div>{curve_plots(named, 'seconds')}",
    )


def found_section(found: list[FoundTargets]) -> str:
    most = max((each.only for each in found), default=0) or 1
    rows = [
        [
            escape(family_name(each.family)),
            f'<div class="bar" style="width:{100 * each.only / most:.0f}%"></div>',
            f"{each.only:,}",
            f"{each.only / each.found:.1%}" if each.found else "-",
            f"{each.users:,}",
            f"{each.found:,}",
        ]
        for each in found
    ]
    names = ["family", "", "unique hits", "share of its hits", "users", "hits"]
    return section(
        "Unique hits of each family",
        '<div class="soft">Purchases of the test window in the first ten of a family (hits), and '
        "those that are in the first ten of no other family (unique hits), with their users.</div>"
        f'<div class="bars">{html_table(names, rows, numbers={2, 3, 4, 5})}</div>',
    )


def warmth_section(warmth: Warmth) -> str:
    rows = [(family_name(name), means) for name, means in warmth.means.items()]
    rows.sort(key=lambda row: -sum(row[1]))
    keys = "".join(
        f'<span class="key shade{number}">{escape(group)}</span>'
        for number, group in enumerate(warmth.groups)
    )
    return section(
        "Cold and warm users",
        f'<div class="soft">NDCG@10, all items, by the number of events of the user before the '
        f"test window: {len(warmth.groups)} groups of about the same size. {keys}</div>"
        f"{dot_plot(rows, list(warmth.groups), 'NDCG@10')}",
    )


def map_section(figures: Figures, retriever: dict[str, Any] | None) -> str:
    if not figures.places or retriever is None:
        return ""
    series = {name: f"hue{number}" for number, name in enumerate(figures.categories)}
    spots = [
        Spot(
            place.x,
            place.y,
            series.get(place.category, "rest"),
            f"{place.title} ({place.category})",
        )
        for place in figures.places
    ]
    keys = "".join(
        f'<span class="key {style}">{escape(name)}</span>' for name, style in series.items()
    )
    return section(
        "Map of items",
        f'<div class="soft">The vectors of the {len(spots):,} most bought items by '
        f"{escape(family_name(retriever['family']))}, projected to two dimensions; near items have "
        f'similar buyers. {keys}<span class="key rest">others</span></div>'
        f"{map_plot(spots, 'items by their vectors, coloured by category')}",
    )
