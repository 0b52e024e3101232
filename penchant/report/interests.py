"""The report's section on the prediction of users' next interests."""

from html import escape
from typing import Any

from penchant.plots.charts import HALF, Point, figure_plot, interval_plot
from penchant.report.parts import family_name, html_table, point, section

METRICS = {
    "auc_macro": "AUC",
    "auc_user": "AUC, own",
    "f1_micro": "F1 micro",
    "f1_macro": "F1 macro",
    "precision_micro": "precision",
    "recall_micro": "recall",
    "accuracy": "accuracy",
    "accuracy_all": "exact match",
    "calibration_error": "calibration",
}
BY_HABITS = "fitted habits"
BASELINES = (BY_HABITS, "own habit", "base rate")
LISTED = 5  # easiest and hardest interests to predict


def interests_section(evaluated: list[tuple[str, dict[str, Any]]]) -> str:
    """Quality with intervals beside the baselines, and calibration."""
    complete = [(name, one) for name, one in evaluated if "missing" not in one]
    title = "Prediction of interests"
    if not complete:
        cause, remedy = evaluated[0][1]["missing"], evaluated[0][1]["remedy"]
        return section(title, f'<div class="bad">{escape(cause)}; {escape(remedy)}.</div>')
    complete.sort(key=lambda one: -one[1]["metrics"]["auc_macro"]["mean"])
    first = complete[0][1]
    forests = "".join(
        interval_plot(_rows(complete, metric), f"{METRICS[metric]}; grey: baselines", low, HALF)
        for metric, low in (("auc_macro", 0.5), ("f1_micro", 0.0))
    )
    reliability = "".join(
        figure_plot(
            [(each["probability"], point(each["rate"])) for each in one["reliability"]["itself"]],
            f"predicted by {family_name(name)}",
            "share that acted",
            diagonal=True,
        )
        for name, one in complete
    )
    return section(
        title,
        f'<div class="soft">Which of {len(first["titles"])} categories, level {first["level"]} of '
        f"the tree, each of {first['users']:,} known users acts on in the fortnight of the test "
        f"window; {first['left_out']} rarer categories are left out. Baselines are grey: the base "
        "rate, each user's own habit, and a logistic regression on habits. The line is the 95 % "
        "interval over users.</div>"
        f'<div class="plots">{forests}</div>{_over(complete)}'
        '<p class="soft">Each dot is a tenth of the predictions; calibrated probabilities lie on '
        f'the diagonal.</p><div class="plots">{reliability}</div>'
        f"<details><summary>table</summary>{_figures(complete)}"
        '<div class="soft">AUC is over the users of each interest, <i>own</i> over the '
        "interests of each user; precision and recall are micro; <i>exact match</i> is the share "
        "of users with all interests right; calibration is the expected calibration "
        "error.</div></details>"
        f"<details><summary>the easiest and the hardest to predict, by "
        f"{family_name(complete[0][0])}</summary>{_easiest(first)}</details>",
    )


def _rows(complete: list[tuple[str, dict[str, Any]]], metric: str) -> list[tuple[str, list[Point]]]:
    """Families, best first, then the baselines."""
    baselines = complete[0][1]["baselines"]
    return [
        *((family_name(name), [point(one["metrics"][metric])]) for name, one in complete),
        *((name, [point(baselines[name][metric], "rest")]) for name in BASELINES),
    ]


def _over(complete: list[tuple[str, dict[str, Any]]]) -> str:
    """The difference of each family from the logistic regression on habits."""
    lines = ""
    for name, one in complete:
        figure = one["over"][BY_HABITS]["auc_macro"]
        style = "good" if figure["low"] > 0 else "bad" if figure["high"] < 0 else "soft"
        lines += (
            f"<li>{escape(family_name(name))}: AUC over that of {BY_HABITS} "
            f'<span class="{style}">{figure["mean"]:+.4f} ({figure["low"]:+.4f} to '
            f"{figure['high']:+.4f})</span></li>"
        )
    return f"<ul>{lines}</ul>"


def _figures(complete: list[tuple[str, dict[str, Any]]]) -> str:
    rows = [
        [
            escape(family_name(name)),
            *(_cell(one["metrics"][metric]) for metric in METRICS),
            f"{one['fit_seconds']:,.1f}",
            f"{one['peak_memory_bytes'] / 1e6:,.0f}",
        ]
        for name, one in complete
    ]
    rows += [
        [
            escape(name),
            *(_cell(complete[0][1]["baselines"][name][metric]) for metric in METRICS),
            "",
            "",
        ]
        for name in BASELINES
    ]
    names = ["family", *METRICS.values(), "fit, s", "peak MB"]
    return html_table(names, rows, numbers=set(range(1, len(names))))


def _cell(figure: dict[str, float]) -> str:
    """A narrow cell."""
    low, high = f"{figure['low']:.3f}", f"{figure['high']:.3f}"
    return f'{figure["mean"]:.3f}<br><span class="soft">{low}-{high}</span>'


def _easiest(one: dict[str, Any]) -> str:
    found = [each for each in one["by_interest"] if each["auc"] is not None]
    found.sort(key=lambda each: -each["auc"])
    shown = found if len(found) <= 2 * LISTED else found[:LISTED] + found[-LISTED:]
    rows = [[escape(each["title"]), f"{each['rate']:.1%}", f"{each['auc']:.4f}"] for each in shown]
    return html_table(["interest", "users who acted", "AUC"], rows, numbers={1, 2})
