"""The report's sections on tasks beside ranking, from figures as the evaluators write them."""

from typing import Any

from penchant.plots.charts import Point, figure_plot
from penchant.report.tasks import task_sections


def figure(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}


def evaluated(family: str, response: str) -> dict[str, Any]:
    told = {"auc": figure(0.8), "log_loss": figure(0.3), "brier": figure(0.1), "ece": figure(0.02)}
    probability = response == "probability"
    added = {"by_tenth": [figure(tenth - 4.0) for tenth in range(10)]}
    added |= {"mean": figure(1.5), "gain": figure(2.5), "qini": figure(0.5)}
    return {
        "family": family,
        "fit_seconds": 1.0,
        "peak_memory_bytes": 1e8,
        "tasks": {
            "response": {
                "response": response,
                "ads": {"train": {"shown": 1234}, "test": {"shown": 567, "answered": 89}},
                "metrics": told if probability else {},
                "baseline": told if probability else {},
                "reliability": [{"predicted": 0.1, "came": figure(0.12)}] if probability else [],
                "uplift": {"spend_after": added},
            }
        },
    }


def test_draws_responses_of_each_evaluated_family() -> None:
    families = [
        evaluated("linear_response", "money"),
        evaluated("logistic_response", "probability"),
        {"family": "popularity", "tasks": None},
    ]
    html = task_sections(families)
    assert "Trained on 1,234 ads shown, evaluated on the last 567" in html
    assert html.count("<svg") == 3  # one reliability, and what is added for both
    assert "0.8000" in html and "constant rate" in html and "popularity" not in html


def test_leaves_out_a_task_without_evaluated_families() -> None:
    assert task_sections([{"family": "popularity", "tasks": {}}]) == ""


def test_figures_below_zero_stay_in_the_plot() -> None:
    plot = figure_plot([(1.0, Point(-5.0, -9.0, -1.0, "all"))], "<tenth>", "money")
    heights = [float(part.split('"')[0]) for part in plot.split('y2="')[1:]]
    assert min(heights) >= 0 and max(heights) <= 300
    assert "&lt;tenth&gt;" in plot
