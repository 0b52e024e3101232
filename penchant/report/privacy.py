"""The report's section on differential privacy: the ledger, and NDCG@10 by epsilon."""

from html import escape
from typing import Any

from penchant.artifacts import RunRecord
from penchant.plots.charts import line_plot
from penchant.report.parts import family_name, html_table, metric_cell, section
from penchant.serving.privacy_status import in_words
from penchant.serving.status import METRIC
from penchant.settings import Settings

AXES = ("epsilon of the run", METRIC)


def privacy_section(settings: Settings, privacy: dict[str, Any] | None) -> str:
    """``privacy``: as in ``status``; empty where nothing was trained under differential privacy."""
    if privacy is None or not (privacy["runs"] or privacy["damage"]):
        return ""
    records = _records(settings)
    rows = [
        [
            str(run["number"]),
            escape(run["spent_at"][:16].replace("T", " ")),
            escape(family_name(run["family"])),
            f"{run['epsilon']:.3f}",
            f"{run['total_epsilon']:.3f}",
            metric_cell(_quality(records.get(run["number"]))),
        ]
        for run in privacy["runs"]
    ]
    names = ["entry", "UTC", "family", "epsilon", "epsilon in total", f"{METRIC}, all items"]
    curves = _curves(list(records.values()))
    plot = line_plot(curves, *AXES) if curves else ""
    keys = "".join(
        f'<span class="key hue{number}">{escape(family_name(family))}</span>'
        for number, family in enumerate(curves)
    )
    return section(
        "Differential privacy",
        f'<div class="soft">{escape(in_words(privacy))}. An entry without a figure is of a run '
        f"that ended without a model, or was pruned: it spent all the same. {keys}</div>{plot}"
        f"{html_table(names, rows, numbers={0, 3, 4, 5})}",
    )


def _records(settings: Settings) -> dict[int, RunRecord]:
    """The runs on disk by their entry in the ledger."""
    found = (RunRecord.read(path) for path in sorted(settings.runs.glob("s-*/*/run.json")))
    return {run.privacy.entry: run for run in found if run.privacy}


def _quality(run: RunRecord | None) -> dict[str, float] | None:
    return run.metrics.get("all", {}).get(METRIC) if run else None


def _curves(runs: list[RunRecord]) -> dict[str, list[tuple[float, float]]]:
    """Points of the families that have runs at two values of epsilon or more."""
    points: dict[str, dict[float, float]] = {}
    for run in runs:
        if run.privacy and (quality := _quality(run)):
            points.setdefault(run.family, {})[round(run.privacy.epsilon, 2)] = quality["mean"]
    return {family: sorted(each.items()) for family, each in points.items() if len(each) > 1}
