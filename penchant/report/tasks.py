"""The report's sections on what families do beside ranking: one function a task."""

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
"""Each family that was judged on a task, and what its judge said, beside what it cost."""


def task_sections(families: list[dict[str, Any]]) -> str:
    """Of the runs that ``status`` gives; nothing for a task that no family was judged on."""
    tasks = {
        "interests": interests_section,
        "response": _response,
        "release": generation_section,
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
    return "".join(tasks[task](judged) for task, judged in found.items() if judged)


METRICS = {"auc": "AUC", "log_loss": "log loss", "brier": "Brier", "ece": "calibration error"}


def _response(judged: Families) -> str:
    """Whether probabilities of an answer come true, and what sending ads adds to spending."""
    counts = judged[0][1]["ads"]
    told = [(name, one) for name, one in judged if one["response"] == "probability"]
    reliability = "".join(
        figure_plot(
            [(each["predicted"], point(each["came"])) for each in one["reliability"]],
            f"predicted by {family_name(name)}",
            "share that answered",
            diagonal=True,
        )
        for name, one in told
    )
    uplift = "".join(
        figure_plot(
            [(at + 1, point(each)) for at, each in enumerate(_spending(one)["by_tenth"])],
            f"tenth of users, best first for {family_name(name)}",
            "money that being sent the campaign added",
        )
        for name, one in judged
    )
    rows = [[family_name(name), *_cells(one["metrics"])] for name, one in told]
    rows += [["the same for all", *_cells(one["baseline"])] for _, one in told[:1]]
    added = [
        [
            escape(family_name(name)),
            *(metric_cell(_spending(one)[each]) for each in ("mean", "gain", "qini")),
        ]
        for name, one in judged
    ]
    return section(
        "Who answers an ad, and what it adds",
        '<div class="soft">Learned from '
        f"{counts['train']['shown']:,} ads shown, judged on the last {counts['test']['shown']:,}, "
        f"of which {counts['test']['answered']:,} were answered. The closer to the line, the truer "
        "a probability. What sending adds compares users alike in all features: unless "
        "campaigns go out at random, it is no more than what the features leave unexplained. "
        "Lines are 95 % intervals over users.</div>"
        f'<div class="plots">{reliability}{uplift}</div>'
        "<details><summary>the figures</summary>"
        f"{html_table(['family', *METRICS.values()], rows)}"
        f"{html_table(['sent by', 'added, mean', 'gain of the best 3 tenths', 'Qini'], added)}"
        "</details>",
    )


def _cells(metrics: dict[str, Any]) -> list[str]:
    return [metric_cell(metrics.get(name)) for name in METRICS]


def _spending(one: dict[str, Any]) -> dict[str, Any]:
    return one["uplift"]["spend_after"]
