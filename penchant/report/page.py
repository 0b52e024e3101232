"""The report as one self-contained HTML page: no script, nothing fetched, light and dark."""

from collections.abc import Sequence
from html import escape
from typing import Any

from penchant.charts import (
    Point,
    Priced,
    Spot,
    cost_plot,
    curve_plots,
    dot_plot,
    interval_plot,
    map_plot,
)
from penchant.report.figures import Curve, Figures, Found, Warmth
from penchant.report.fusion import fusion_section
from penchant.report.parts import family_name, html_table, metric_cell, section
from penchant.report.tasks import task_sections
from penchant.serving.status import METRIC

STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1c2230; --soft: #667085;
  --line: #e3e6ec; --all: #2f6fed; --new: #e08a1e; --good: #16885a; --bad: #c9372c;
  --hue0: #2f6fed; --hue1: #e08a1e; --hue2: #16885a; --hue3: #c2379b; --hue4: #7a52d1;
  --hue5: #0f9fb5; --hue6: #c9372c; }
@media (prefers-color-scheme: dark) { :root { --page: #12151c; --card: #1b202a; --ink: #e8ebf2;
  --soft: #98a2b3; --line: #2d3442; --all: #7aa5ff; --new: #f5b35c; --good: #4cc38a;
  --bad: #ff8a80; --hue0: #7aa5ff; --hue1: #f5b35c; --hue2: #4cc38a; --hue3: #f07fd0;
  --hue4: #b79bff; --hue5: #56cfe1; --hue6: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 980px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -.01em; }
h2 { font-size: 18px; margin: 0 0 12px; }
h3 { font-size: 15px; margin: 0 0 2px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 22px 24px; margin-top: 20px; }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
code { font: 13px ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px;
  margin-top: 20px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 14px 16px; }
.tile b { display: block; font-size: 20px; overflow-wrap: anywhere; font-weight: 650;
  letter-spacing: -.01em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; }
th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; white-space: nowrap; }
.badge { display: inline-block; border: 1px solid var(--all); color: var(--all);
  border-radius: 99px; font-size: 12px; padding: 0 8px; margin: 0 4px 2px 0; }
svg { width: 100%; height: auto; display: block; margin-top: 8px; }
svg text { fill: var(--ink); font-size: 14px; } svg .tick { fill: var(--soft); font-size: 12px; }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .whisker { stroke-width: 3; stroke-linecap: round; opacity: .45; }
svg .whisker.all { stroke: var(--all); } svg .whisker.new { stroke: var(--new); }
svg .whisker.rest { stroke: var(--soft); }
svg .bar-all { fill: var(--all); opacity: .45; } svg .bar-rest { fill: var(--soft); opacity: .25; }
svg .interval { stroke: var(--ink); stroke-width: 1.5; stroke-linecap: round; opacity: .75; }
svg .dot.all { fill: var(--all); } svg .dot.new { fill: var(--new); }
.key::before { content: ""; display: inline-block; width: 10px; height: 10px;
  border-radius: 50%; margin: 0 6px 0 14px; background: var(--all); }
.key.new::before { background: var(--new); } .key { white-space: nowrap; }
.key.rest::before { background: var(--soft); opacity: .5; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr));
  gap: 8px 20px; }
svg .small { font-size: 11px; paint-order: stroke; stroke: var(--card); stroke-width: 3px; }
svg .leader { stroke: var(--soft); stroke-width: 1; opacity: .6; }
svg .small.strong { stroke: none; }
svg .tiny { font-size: 10px; fill: var(--soft); }
svg .strong { font-weight: 600; }
svg .thin { stroke-width: 1.5; opacity: .35; } svg .thin.rest { stroke: var(--soft); }
svg .dot.rest { fill: var(--soft); opacity: .55; }
svg polyline { fill: none; } svg .front { stroke: var(--all); stroke-width: 1.5; opacity: .6; }
svg .faint { stroke: var(--soft); stroke-width: 1; opacity: .25; }
svg .curve { stroke: var(--all); stroke-width: 2; stroke-linejoin: round; }
svg .shade0 { opacity: .25; } svg .shade1 { opacity: .5; } svg .shade2 { opacity: .75; }
.key.shade0::before { opacity: .25; } .key.shade1::before { opacity: .5; }
.key.shade2::before { opacity: .75; }
.bar { height: 12px; background: var(--all); border-radius: 3px; min-width: 1px; }
.bars td:nth-child(2) { width: 40%; vertical-align: middle; }
svg .line0 { stroke: var(--hue0); stroke-width: 2; stroke-linejoin: round; }
svg .line1 { stroke: var(--hue1); stroke-width: 2; stroke-linejoin: round; }
svg .line2 { stroke: var(--hue2); stroke-width: 2; stroke-linejoin: round; }
svg .line3 { stroke: var(--hue3); stroke-width: 2; stroke-linejoin: round; }
svg .line4 { stroke: var(--hue4); stroke-width: 2; stroke-linejoin: round; }
svg .line5 { stroke: var(--hue5); stroke-width: 2; stroke-linejoin: round; }
svg .line6 { stroke: var(--hue6); stroke-width: 2; stroke-linejoin: round; }
svg .hue0 { fill: var(--hue0); opacity: .8; } .key.hue0::before { background: var(--hue0); }
svg .hue1 { fill: var(--hue1); opacity: .8; } .key.hue1::before { background: var(--hue1); }
svg .hue2 { fill: var(--hue2); opacity: .8; } .key.hue2::before { background: var(--hue2); }
svg .hue3 { fill: var(--hue3); opacity: .8; } .key.hue3::before { background: var(--hue3); }
svg .hue4 { fill: var(--hue4); opacity: .8; } .key.hue4::before { background: var(--hue4); }
svg .hue5 { fill: var(--hue5); opacity: .8; } .key.hue5::before { background: var(--hue5); }
svg .hue6 { fill: var(--hue6); opacity: .8; } .key.hue6::before { background: var(--hue6); }
.shopper { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 32px;
  padding: 16px 0; border-top: 1px solid var(--line); }
.shopper:first-of-type { border-top: 0; padding-top: 0; }
.shopper h3 { grid-column: 1 / -1; }
@media (max-width: 640px) { .shopper { grid-template-columns: 1fr; } }
ol, ul { margin: 4px 0 0; padding-left: 20px; } li { margin: 3px 0; }
summary { cursor: pointer; color: var(--soft); }
"""


def page(
    state: dict[str, Any],
    snapshot: dict[str, Any],
    shoppers: list[dict[str, Any]],
    figures: Figures,
    beside: Sequence[str] = (),
) -> str:
    """The page for ``status``'s answer, the served snapshot's description, the shoppers, what is
    drawn, and whole sections on what is beside the generation."""
    generation = state["live_generation"]
    judged = [family for family in state["families"] if METRIC in family["metrics"].get("all", {})]
    families = sorted(judged, key=lambda run: -run["metrics"]["all"][METRIC]["mean"])
    body = [
        _heading(generation),
        _tiles(generation, snapshot),
        *([_quality(families, state["choice"]), _cost(families)] if families else []),
        _curves(figures.curves),
        *([_found(figures.found), _warmth(figures.warmth)] if families else []),
        fusion_section(figures.lost),
        _map(figures, generation["retriever"]),
        task_sections(state["families"]),
        _choice(state["choice"]),
        _shoppers(shoppers),
        *beside,
        _generation(generation),
        _data(snapshot),
        _checks(state["live_snapshot"], generation["snapshot_id"]),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Penchant: {escape(generation['id'])}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _heading(generation: dict[str, Any]) -> str:
    return (
        "<h1>What shoppers would like</h1>"
        f'<div class="soft">Generation <code>{escape(generation["id"])}</code>, published '
        f"{escape(generation['created_at'][:16].replace('T', ' '))} UTC from snapshot "
        f"<code>{escape(generation['snapshot_id'])}</code></div>"
    )


def _tiles(generation: dict[str, Any], snapshot: dict[str, Any]) -> str:
    retriever, marts = generation["retriever"], snapshot["marts"]
    counted = [
        (f"{marts[name]['rows']:,}", name) for name in ("users", "items", "events") if name in marts
    ]
    facts = [
        *counted,
        (family_name(generation["ranker"]["family"]), "ranks the lists"),
        (family_name(retriever["family"]) if retriever else "none", "gives the vectors"),
    ]
    tiles = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span class="soft">{escape(what)}</span></div>'
        for value, what in facts
    )
    return f'<div class="tiles">{tiles}</div>'


def _quality(families: list[dict[str, Any]], choice: dict[str, Any] | None) -> str:
    rows = [(family_name(family["family"]), _points(family)) for family in families]
    keys = '<span class="key">all items</span><span class="key new">new to the shopper</span>'
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
        "How well each family predicts what comes next",
        f'<div class="soft">NDCG of the first ten over the whole catalogue, on purchases after the '
        f"training data; the line is the 95 % interval over shoppers. {keys}</div>"
        f"{interval_plot(rows, 'NDCG@10')}{_missing(choice)}"
        f"<details><summary>the figures</summary>{table}</details>",
    )


def _missing(choice: dict[str, Any] | None) -> str:
    """Why families are not there."""
    if choice is None:
        return ""
    missing = tuple(f"{name} " for name in choice["missing"])
    found = [reason for reason in choice["reasons"] if reason.startswith(missing)]
    lines = "".join(f"<li>{escape(reason)}</li>" for reason in found)
    return f'<ul class="bad">{lines}</ul>' if lines else ""


COSTS = (
    ("fit_seconds", 1.0, "seconds to fit"),
    ("peak_memory_bytes", 1e6, "peak memory, MB"),
    ("scoring_ms_per_user", 1.0, "milliseconds to score one shopper"),
)


def _cost(families: list[dict[str, Any]]) -> str:
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
        ["family", "fit, s", "whole run, s", "peak MB", "ms a shopper", "parameters", "device"],
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
        "What that quality costs",
        '<div class="soft">Up is better, left is cheaper. On the line, the Pareto front: '
        "families than which no other is both better and cheaper. Scoring is of the whole "
        f'catalogue, in batches.</div><div class="plots">{plots}</div>'
        f"<details><summary>the figures</summary>{table}</details>",
    )


def _curves(curves: dict[str, Curve]) -> str:
    if not curves:
        return ""
    named = {family_name(name): curve for name, curve in curves.items()}
    return section(
        "How they learned",
        '<div class="soft">NDCG@10 on a sample of the validation window while fitting, against '
        "seconds since the run began; families without steps are looked at once for each setting "
        f"that they try. The others are drawn faint.</div>{curve_plots(named, 'seconds')}",
    )


def _found(found: list[Found]) -> str:
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
    names = ["family", "", "only by it", "share of its own", "shoppers", "foreseen"]
    return section(
        "What each family gets right that the others miss",
        '<div class="soft">Purchases of the test window that a family had among its first ten, and '
        "of those the ones that no other family had; the shoppers are whose these are.</div>"
        f'<div class="bars">{html_table(names, rows, numbers={2, 3, 4, 5})}</div>',
    )


def _warmth(warmth: Warmth) -> str:
    rows = [(family_name(name), means) for name, means in warmth.means.items()]
    rows.sort(key=lambda row: -sum(row[1]))
    keys = "".join(
        f'<span class="key shade{number}">{escape(group)}</span>'
        for number, group in enumerate(warmth.groups)
    )
    return section(
        "Cold and warm shoppers",
        f'<div class="soft">NDCG@10, all items, by how much was known of the shopper when the test '
        f"window began: {len(warmth.groups)} groups of about the same size. {keys}</div>"
        f"{dot_plot(rows, list(warmth.groups), 'NDCG@10')}",
    )


def _map(figures: Figures, retriever: dict[str, Any] | None) -> str:
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


def _choice(choice: dict[str, Any] | None) -> str:
    if choice is None:
        return section("Why these are live", '<div class="soft">The choice is gone.</div>')
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in choice["reasons"])
    return section("Why these are live", f"<ul>{reasons}</ul>")


def _shoppers(shoppers: list[dict[str, Any]]) -> str:
    return section("Three shoppers", "".join(_shopper(shopper) for shopper in shoppers))


def _shopper(shopper: dict[str, Any]) -> str:
    bought = "".join(_line(item["title"], item["day"]) for item in shopper["purchases"])
    liked = "".join(_line(item["title"], item["category"] or "") for item in shopper["recommended"])
    return (
        f'<div class="shopper"><h3>Shopper {escape(shopper["user_id"])} '
        f'<span class="soft">{shopper["bought"]:,} purchases</span></h3>'
        f'<div><div class="soft">bought last</div><ul>{bought}</ul></div>'
        f'<div><div class="soft">would like, by {escape(shopper["origin"])}</div>'
        f"<ol>{liked}</ol></div></div>"
    )


def _line(title: str, aside: str) -> str:
    return f'<li>{escape(title)} <span class="soft">{escape(aside)}</span></li>'


def _generation(generation: dict[str, Any]) -> str:
    norms = [
        (f"{view.replace('_', ' ')}, length", f"{norm['min']:.3f} to {norm['max']:.3f}")
        for view, norm in sorted(generation["norms"].items())
    ]
    roles = [
        (role, generation[role]["run_id"] if generation[role] else "none: popularity serves")
        for role in ("retriever", "ranker", "prior")
    ]
    facts = [
        *roles,
        *(
            (view.replace("_", " "), f"{rows:,}")
            for view, rows in sorted(generation["counts"].items())
        ),
        *norms,
    ]
    if generation["recall_at_10"] is not None:
        facts.append(("dimensions", str(generation["dimensions"])))
        facts.append(("recall@10 of the index", f"{generation['recall_at_10']:.4f}"))
        facts += _vectors(generation)
    rows = [[escape(name), f"<code>{escape(value)}</code>"] for name, value in facts]
    return section("What was published", html_table(["", ""], rows, headed=False))


def _vectors(generation: dict[str, Any]) -> list[tuple[str, str]]:
    """In which form vectors were published, why, and what that loses; a generation from before
    there were other forms says nothing of it."""
    vectors = generation.get("vectors")
    if vectors is None:
        return []
    facts = [("vectors are", f"{vectors['kind']}: {vectors['why']}")]
    facts += [
        (
            f"NDCG@10 lost by that, {window}",
            f"{share['mean']:+.2%} ({share['low']:+.2%} to {share['high']:+.2%})",
        )
        for window, share in (vectors["lost"] or {}).items()
    ]
    return [*facts, ("numbers of the index", generation["index"])]


def _data(snapshot: dict[str, Any]) -> str:
    rows = [
        [f"<code>{escape(name)}</code>", f"{mart['rows']:,}"]
        for name, mart in sorted(snapshot["marts"].items())
    ]
    return section(
        "The data",
        f"<div>From {escape(', '.join(snapshot['sources']))}, up to "
        f"{escape(snapshot['as_of'][:10])}.</div>"
        f"<details><summary>rows of each table</summary>"
        f"{html_table(['table', 'rows'], rows, numbers={1})}</details>",
    )


def _checks(live: dict[str, Any] | None, served: str) -> str:
    if live is None or live["id"] != served or live["checks"] is None:
        return section("Checks", '<div class="soft">Not those of the live snapshot.</div>')
    verdict, counts = live["checks"], live["checks"]["statistics"]
    rows = [
        [
            f"<code>{escape(name)}</code>",
            str(mart["expectations"]),
            "<br>".join(_failure(failure) for failure in mart["failed"]) or "",
        ]
        for name, mart in sorted(verdict["marts"].items())
    ]
    style, word = ("good", "Passed") if verdict["passed"] else ("bad", "Refused")
    return section(
        "Checks",
        f'<div><b class="{style}">{word}</b>: {counts["expectations"]} expectations, '
        f"{counts['failed_critical']} critical failures, {counts['failed_warning']} warnings.</div>"
        f"<details><summary>by table</summary>"
        f"{html_table(['table', 'expectations', 'failed'], rows)}</details>",
    )


def _failure(failure: dict[str, Any]) -> str:
    what = failure["rule"] or failure["expectation"]
    return f"{escape(failure['severity'])}: {escape(str(failure['column'] or ''))} {escape(what)}"


def _points(family: dict[str, Any]) -> list[Point]:
    """NDCG@10 on all items, and on new ones where that was measured."""
    found = ((name, family["metrics"].get(name, {}).get(METRIC)) for name in ("all", "new"))
    return [
        Point(metric["mean"], metric["low"], metric["high"], name)
        for name, metric in found
        if metric
    ]
