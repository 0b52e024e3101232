"""The leaderboard: how well each family predicts, and what it costs."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse

from penchant.api.console.render import drawn, page
from penchant.api.console.session import READS, Sessions, Visitor
from penchant.errors import UsageError
from penchant.plots.bar_plot import Bar, bar_plot
from penchant.serving.status import METRIC, status
from penchant.settings import Settings

POPULATIONS = {"all": "All items", "new": "Items new to the user"}


def add(app: FastAPI, settings: Settings, sessions: Sessions) -> None:
    @app.get("/families")
    def families(visitor: Annotated[Visitor, Depends(sessions.needs(*READS))]) -> HTMLResponse:
        state = status(settings)
        if not state["families"]:
            raise UsageError("no family was trained yet", "`penchant train`, then `choose`")
        judged = {
            population: sorted(
                (run for run in state["families"] if _figure(run, population)),
                key=lambda run: -_figure(run, population)["mean"],
            )
            for population in POPULATIONS
        }
        choice = state["choice"] or {"reasons": [], "missing": [], "snapshot_id": None}
        absent = tuple(f"{name} " for name in choice["missing"])
        reasons = choice["reasons"]
        missing = [reason for reason in reasons if reason.startswith(absent)]
        return page(
            "families.html",
            visitor,
            plots=[
                (f"{title}: {METRIC.upper()}", drawn(_plot(judged[population], population)))
                for population, title in POPULATIONS.items()
                if judged[population]
            ],
            ranked=judged["all"],
            others=[run for run in state["families"] if not run["metrics"]],
            metric=METRIC,
            reasons=[reason for reason in reasons if reason not in missing],
            missing=missing,
            users=max((run["users_evaluated"] or 0 for run in judged["all"]), default=0),
            snapshot_id=choice["snapshot_id"],
        )


def _figure(run: dict[str, Any], population: str) -> dict[str, float]:
    """Empty where the family was not judged so."""
    return (run["metrics"] or {}).get(population, {}).get(METRIC) or {}


def _plot(runs: list[dict[str, Any]], population: str) -> str:
    return bar_plot([_bar(run, _figure(run, population)) for run in runs], METRIC, "{:.2g}".format)


def _bar(run: dict[str, Any], figure: dict[str, float]) -> Bar:
    name = run["family"].replace("_", " ")
    interval = f"{figure['low']:.4f} to {figure['high']:.4f}"
    return Bar(
        label=name,
        value=figure["mean"],
        low=figure["low"],
        high=figure["high"],
        note=f"{figure['mean']:.4f}",
        style="bar-all" if run["roles"] else "bar-rest",
        tip=f"{name}: {figure['mean']:.4f}, 95 % interval {interval}",
    )
