"""Returns by tenths of users and the models that were compared, as a section of a page."""

from penchant.insights.retention.published import published_retention
from penchant.insights.shown.plots import returns_plot
from penchant.insights.shown.section import InsightSection, figure
from penchant.settings import Settings


def returns_section(settings: Settings) -> InsightSection:
    """Raises NothingToDo until predictions are published."""
    record = published_retention(settings).record
    return InsightSection(
        "retention",
        "Returns within 28 days",
        f"{record.tested_users:,} users of snapshot {record.snapshot_id} on "
        f"{record.tested_at:%Y-%m-%d}, by tenths of what {record.return_model.replace('_', ' ')} "
        f"predicted; lines are 95 % intervals of what came. {record.fading:,} of "
        f"{record.users:,} users are fading.",
        returns_plot(record),
        ["model", "AUC", "log loss", "calibration error", "lift of the last tenth"],
        [
            [
                name.replace("_", " "),
                figure(each.auc, 3),
                figure(each.log_loss, 3),
                f"{each.calibration_error:.3f}",
                f"{each.lift:.2f}",
            ]
            for name, each in sorted(record.returns.items())
        ],
        frozenset({1, 2, 3, 4}),
    )
