"""The report as one self-contained HTML page, without scripts, in light and dark."""

from collections.abc import Sequence
from html import escape
from typing import Any

from penchant.report.figures import Figures
from penchant.report.fusion import fusion_section
from penchant.report.learning import curves_section, found_section, map_section, warmth_section
from penchant.report.parts import family_name
from penchant.report.published import (
    checks_section,
    data_section,
    release_section,
    selection_section,
    users_section,
)
from penchant.report.ranking import cost_section, quality_section
from penchant.report.ranking_model import ranking_model_sections
from penchant.report.style import STYLE
from penchant.report.tasks import task_sections
from penchant.serving.status import METRIC


def page(
    state: dict[str, Any],
    snapshot: dict[str, Any],
    users: list[dict[str, Any]],
    figures: Figures,
    sections: Sequence[str] = (),
) -> str:
    """``state``: the answer of ``status``. ``snapshot``: the description of the served snapshot.
    ``sections``: more sections, as HTML."""
    release = state["live_release"]
    ranked = [family for family in state["families"] if METRIC in family["metrics"].get("all", {})]
    families = sorted(ranked, key=lambda run: -run["metrics"]["all"][METRIC]["mean"])
    body = [
        _heading(release),
        _tiles(release, snapshot),
        *(
            [quality_section(families, state["selection"]), cost_section(families)]
            if families
            else []
        ),
        curves_section(figures.curves),
        *([found_section(figures.found), warmth_section(figures.warmth)] if families else []),
        ranking_model_sections(figures.ranking_models),
        fusion_section(figures.lost),
        map_section(figures, release["retriever"]),
        task_sections(state["families"]),
        selection_section(state["selection"]),
        users_section(users),
        *sections,
        release_section(release),
        data_section(snapshot),
        checks_section(state["live_snapshot"], release["snapshot_id"]),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Penchant: {escape(release['id'])}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _heading(release: dict[str, Any]) -> str:
    return (
        "<h1>Recommendations report</h1>"
        f'<div class="soft">Release <code>{escape(release["id"])}</code>, published '
        f"{escape(release['created_at'][:16].replace('T', ' '))} UTC from snapshot "
        f"<code>{escape(release['snapshot_id'])}</code></div>"
    )


def _tiles(release: dict[str, Any], snapshot: dict[str, Any]) -> str:
    retriever, marts = release["retriever"], snapshot["marts"]
    counted = [
        (f"{marts[name]['rows']:,}", name) for name in ("users", "items", "events") if name in marts
    ]
    facts = [
        *counted,
        (family_name(release["ranker"]["family"]), "ranks the lists"),
        (family_name(retriever["family"]) if retriever else "none", "gives the vectors"),
    ]
    tiles = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span class="soft">{escape(what)}</span></div>'
        for value, what in facts
    )
    return f'<div class="tiles">{tiles}</div>'
