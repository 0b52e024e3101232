"""The report's sections on tasks besides ranking: a function per task."""

from html import escape
from typing import Any

from penchant.plots.charts import figure_plot
from penchant.report.generation import generation_section
from penchant.report.interests import interests_section
from penchant.report.parts import family_name, html_table, metric_cell, point, section
from penchant.report.tags import tags_section
from penchant.report.transfer import transfer_section

COSTS = ("fit_seconds", "peak_memory_bytes")
Families = list[tuple[str, dict[str, Any]]]
"""Each family that was evaluated on a task, with its results and costs."""


def task_sections(families: list[dict[str, Any]]) -> str:
    """Of the runs in ``status``; empty for a task that no family was evaluated on."""
    tasks = {
        "interests": interests_section,
        "response": _response,
        "generation": generation_section,
        "tags": tags_section,
        "transfer": transfer_section,
    }
    found = {
        task: [
            (run["family"], run["tasks"][task] | {name: run[name] for name in COSTS})
            for run in families
            if task in (run["tasks"] or {})
        ]
        for task in tasks
    }
    return "".join(tasks[task](evaluated) for task, evaluated in found.items() if evaluated)


METRICS = {"auc": "AUC", "log_loss": "log loss", "brier": "Brier", "ece": "calibration error"}


def _response(evaluated: Families) -> str:
    """Calibration of response probabilities, and the uplift of spending by ads."""
    counts = evaluated[0][1]["ads"]
    probabilities = [(name, one) for name, one in evaluated if one["response"] == "probability"]
    reliability = "".join(
        figure_plot(
            [(each["predicted"], point(each["came"])) for each in one["reliability"]],
            f"predicted by {family_name(name)}",
            "share that responded",
            diagonal=True,
        )
        for name, one in probabilities
    )
    uplift = "".join(
        figure_plot(
            [(at + 1, point(each)) for at, each in enumerate(_spending(one)["by_tenth"])],
            f"tenth of users, best first for {family_name(name)}",
            "uplift of spending by the campaign",
        )
        for name, one in evaluated
    )
    rows = [[family_name(name), *_cells(one["metrics"])] for name, one in probabilities]
    rows += [["constant rate", *_cells(one["baseline"])] for _, one in probabilities[:1]]
    added = [
        [
            escape(family_name(name)),
            *(metric_cell(_spending(one)[each]) for each in ("mean", "gain", "qini")),
        ]
        for name, one in evaluated
    ]
    return section(
        "Response to ads and uplift",
        '<div class="soft">Trained on '
        f"{counts['train']['shown']:,} ads shown, evaluated on the last "
        f"{counts['test']['shown']:,}, of which {counts['test']['answered']:,} were answered. "
        "Calibrated probabilities lie on the diagonal. The uplift compares users with similar "
        "features: unless campaigns are sent at random, it includes confounding that the features "
        "do not explain. Lines are 95 % intervals over users.</div>"
        f'<div class="plots">{reliability}{uplift}</div>'
        "<details><summary>table</summary>"
        f"{html_table(['family', *METRICS.values()], rows)}"
        f"{html_table(['family', 'mean uplift', 'gain of the best 3 tenths', 'Qini'], added)}"
        "</details>",
    )


def _cells(metrics: dict[str, Any]) -> list[str]:
    return [metric_cell(metrics.get(name)) for name in METRICS]


def _spending(one: dict[str, Any]) -> dict[str, Any]:
    return one["uplift"]["spend_after"]
