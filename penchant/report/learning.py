"""How families learned, and what each of them sees: alone, of whom, and in the catalogue."""

from html import escape
from typing import Any

from penchant.plots.charts import Spot, curve_plots, dot_plot, map_plot
from penchant.report.figures import Curve, Figures, Found, Warmth
from penchant.report.parts import family_name, html_table, section


def curves_section(curves: dict[str, Curve]) -> str:
    if not curves:
        return ""
    named = {family_name(name): curve for name, curve in curves.items()}
    return section(
        "How they learned",
        '<div class="soft">NDCG@10 on a sample of the validation window while fitting, against '
        "seconds since the run began; families without steps are looked at once for each setting "
        f"that they try. The others are drawn faint.</div>{curve_plots(named, 'seconds')}",
    )


def found_section(found: list[Found]) -> str:
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
    names = ["family", "", "only by it", "share of its own", "users", "predicted"]
    return section(
        "What each family gets right that the others miss",
        '<div class="soft">Purchases of the test window that a family had among its first ten, and '
        "of those the ones that no other family had; the users are whose these are.</div>"
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
        f'<div class="soft">NDCG@10, all items, by how much was known of the user when the test '
        f"window began: {len(warmth.groups)} groups of about the same size. {keys}</div>"
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
        "A map of the items",
        f'<div class="soft">The {len(spots):,} most bought items where the vectors of '
        f"{escape(family_name(retriever['family']))} put them, in two dimensions; what is near was "
        f'bought alike. {keys}<span class="key rest">others</span></div>'
        f"{map_plot(spots, 'items by their vectors, coloured by category')}",
    )
