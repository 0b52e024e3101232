"""The report's section on a ranking model: its features' importance, candidate sources and
calibration."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from penchant.artifacts import CandidateSource, RankingModelRecord
from penchant.plots.bar_plot import Bar, bar_plot
from penchant.plots.charts import line_plot
from penchant.report.parts import family_name, html_table, metric_cell, section

MOST_FEATURES = 20
VALUE = (
    "Trade-off of accuracy and value on validation users: ranking by probability and price, with "
    "the weight of the price from 0. Value is the price of the purchases among the first ten, for "
    "a user."
)
EXPLORATION = (
    "Trade-off of accuracy and exploration on validation users: ranking by probability and "
    "novelty, with the weight of the novelty from 0. Novelty is near 0 for the most popular items "
    "and 1 for items that nobody bought lately."
)


@dataclass(frozen=True)
class RankingModelFigures:
    """``reliability``: predicted probability and observed share, in bins of validation pairs.
    ``by_value``: weight of the price, NDCG@10 and value of the targets in the first ten.
    ``by_exploration``: weight of the novelty, NDCG@10 and mean novelty of the first ten."""

    record: RankingModelRecord
    reliability: list[tuple[float, float]]
    by_value: list[tuple[float, float, float]] = field(default_factory=list)
    by_exploration: list[tuple[float, float, float]] = field(default_factory=list)


def ranking_model_sections(models: Sequence[RankingModelFigures]) -> str:
    """One section for each ranking model."""
    return "".join(_section(model) for model in models)


def _section(model: RankingModelFigures) -> str:
    record = model.record
    shares = sorted(record.importance.items(), key=lambda row: -row[1])
    bars = [
        Bar(name, share, share, share, f"{share:.1%}", "hue0", f"{name}: {share:.2%}")
        for name, share in shares[:MOST_FEATURES]
    ]
    return section(
        f"Ranking model {family_name(record.family)}",
        f'<div class="soft">{_described(record)}</div>'
        f"{bar_plot(bars, 'importance of features', lambda share: f'{share:.0%}')}"
        f"<details><summary>every feature</summary>{_importance(shares)}</details>"
        f"{_sources(record.sources)}{_reliability(model.reliability)}"
        f"{_trade_off(model.by_value, 'value', VALUE)}"
        f"{_trade_off(model.by_exploration, 'exploration', EXPLORATION, 'novelty')}",
    )


def _importance(shares: Sequence[tuple[str, float]]) -> str:
    """Each feature with its whole name: one that an analyst added may be far down."""
    rows = [
        [str(place), escape(name), f"{share:.2%}"] for place, (name, share) in enumerate(shares, 1)
    ]
    return html_table(["", "feature", "importance"], rows, numbers={0, 2})


def _described(record: RankingModelRecord) -> str:
    over = f"over {len(record.features)} features. The importance of a feature is its share of"
    if record.model.kind == "onnx":
        return f"A network {over} the absolute gradient by the standardised features."
    return f"{record.model.trees} trees {over} the gain of all splits."


def _sources(sources: Sequence[CandidateSource]) -> str:
    rows = [
        [escape(family_name(one.name)), str(one.length), metric_cell(one.recall_at_100)]
        for one in sources
    ]
    return html_table(["candidate source", "items", "recall@100"], rows, numbers={1, 2})


def _reliability(reliability: list[tuple[float, float]]) -> str:
    """Predicted against observed, with the diagonal; empty without a calibration."""
    if not reliability:
        return ""
    most = max(max(pair) for pair in reliability) or 1.0
    lines = {"observed": sorted(reliability), "calibrated": [(0.0, 0.0), (most, most)]}
    return (
        '<div class="soft">Calibration on validation users that it was not fitted on: the share of '
        "candidates that were bought against the predicted probability.</div>"
        f"{line_plot(lines, 'predicted probability', 'observed share')}"
    )


def _trade_off(
    points: list[tuple[float, float, float]], weight: str, text: str, brought: str = ""
) -> str:
    """Accuracy and what a weight brings, at each weight; empty without points."""
    if not points:
        return ""
    brought = f"{brought or weight}@10"
    rows = [[f"{each:g}", f"{ndcg:.4f}", f"{value:.2f}"] for each, ndcg, value in points]
    lines = {brought: sorted((ndcg, value) for _, ndcg, value in points)}
    return (
        f'<div class="soft">{text}</div>'
        f"{line_plot(lines, 'NDCG@10', brought)}"
        f"{html_table([f'{weight} weight', 'NDCG@10', brought], rows, numbers={0, 1, 2})}"
    )
