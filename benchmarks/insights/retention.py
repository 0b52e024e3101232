"""Return within 28 days and spending of 90 days, against recency and past spending alone."""

import time
from typing import Any

from benchmarks.insights.homes import homes_of
from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.artifacts.retention import RetentionRecord
from penchant.insights.retention.stage import predictions
from penchant.settings import Settings

TITLE = "Retention"


def measure(settings: Settings, *, homes: str = "") -> dict[str, Any]:
    """``homes``: other homes with a live snapshot, comma-separated."""
    return {name: _of_home(each) for name, each in homes_of(settings, homes)}


def _of_home(settings: Settings) -> dict[str, Any]:
    started = time.process_time()
    record, _ = predictions(settings, Snapshot.live(settings))
    return {"cpu_seconds": time.process_time() - started, "record": record.as_dict()}


def page(figures: dict[str, Any]) -> str:
    return "\n\n".join(_page_of(name, figures[name]) for name in sorted(figures))


def _page_of(source: str, figures: dict[str, Any]) -> str:
    record = RetentionRecord.model_validate(figures["record"])
    returns = [
        [
            _named(name, record.return_model),
            interval(each.auc, 3),
            interval(each.log_loss, 3),
            f"{each.brier:.4f}",
            f"{each.calibration_error:.3f}",
            f"{each.lift:.2f}",
        ]
        for name, each in record.returns.items()
    ]
    value = [
        [
            _named(name, record.value_model),
            interval(each.wape, 3),
            f"{each.bias:.3f}",
            f"{each.spearman:.3f}",
            f"{each.top_decile:.1%}",
        ]
        for name, each in record.value.items()
    ]
    alert = record.fading_accuracy
    parts = [
        f"**{source}**: {record.tested_users:,} users on {record.tested_at:%Y-%m-%d}, of whom "
        f"{record.return_share:.1%} returned within 28 days; {figures['cpu_seconds']:.0f} CPU "
        "seconds. The model in bold was selected on an earlier feature time. The lift is how often "
        "the tenth that is least likely to return stays away, over all users.",
        grid(
            ["return", "AUC", "log loss", "Brier", "calibration error", "lift of the last tenth"],
            returns,
        ),
    ]
    if value:
        parts += [
            f"Spending of 90 days after {record.value_tested_at:%Y-%m-%d}:",
            grid(
                [
                    "value",
                    "WAPE",
                    "predicted/actual",
                    "rank correlation",
                    "best tenth's share",
                ],
                value,
            ),
        ]
    parts.append(
        f"Fading users on {record.tested_at:%Y-%m-%d}: {alert.users}, who had bought on "
        f"{alert.orders_before:.2f} days per 28 days and then bought on {alert.orders_after:.2f}; "
        f"{alert.stayed_away:.1%} did not return within 28 days, of all users "
        f"{alert.stayed_away_of_all:.1%}. As many users with the longest silence had bought on "
        f"{alert.orders_before_by_recency:.2f} days per 28 days, and "
        f"{alert.stayed_away_by_recency:.1%} did not return."
    )
    return "\n\n".join(parts)


def _named(name: str, selected: str) -> str:
    shown = name.replace("_", " ")
    return f"**{shown}**" if name == selected else shown
