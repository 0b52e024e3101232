"""What monitoring found: drift, click rates of what was served, calibration, freshness."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from penchant.api.console.render import page, safe_svg
from penchant.api.console.session import READ_SCOPES, RequireVisitor, Visitor
from penchant.api.http.services import AppServices
from penchant.artifacts.monitoring import MonitoringRecord, ServedQuality
from penchant.plots.bar_plot import Bar, bar_plot

GROUPS = {"features": "Features", "predictions": "Predictions", "outcomes": "Outcomes"}
router = APIRouter()


@router.get("/monitoring")
def monitoring(
    request: Request,
    visitor: Annotated[Visitor, Depends(RequireVisitor(READ_SCOPES))],
    services: AppServices,
) -> HTMLResponse:
    """Of the newest record: nothing in it is of one person."""
    record = MonitoringRecord.last(services.settings)
    served = record.served if record else ()
    return page(
        request,
        "monitoring.html",
        visitor,
        record=record,
        groups=GROUPS,
        plots=[
            (title, _plot([each for each in served if each.by == by], title))
            for by, title in (("family", "By model family"), ("segment", "By lifecycle stage"))
            if any(each.by == by for each in served)
        ],
        calibrated=[each for each in served if each.tenths],
    )


def _plot(served: Sequence[ServedQuality], title: str) -> Markup:
    bars = [
        Bar(
            label=each.name.replace("_", " "),
            value=each.click_rate["mean"],
            low=each.click_rate["low"],
            high=each.click_rate["high"],
            note=f"{each.click_rate['mean']:.2%} of {each.impressions:,}",
            style="bar-all",
            tip=f"{each.clicks:,} clicks and {each.conversions:,} purchases of "
            f"{each.impressions:,} impressions",
        )
        for each in served
    ]
    return safe_svg(bar_plot(bars, f"Click rate: {title}", "{:.1%}".format))
