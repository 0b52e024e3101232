"""The report's section on the closed loop in the simulator: regret that falls."""

import json
from html import escape
from typing import Any

from penchant.plots.charts import line_plot
from penchant.report.parts import html_table, section
from penchant.settings import Settings

AXES = ("day", "clicks lost a visit, against the best slates")


def regret_section(settings: Settings) -> str:
    """Of what ``penchant simulate`` wrote last; nothing where it has not run."""
    path = settings.simulation / "regret.json"
    if not path.is_file():
        return ""
    found: dict[str, Any] = json.loads(path.read_text())
    policies = found["policies"]
    keys = "".join(
        f'<span class="key hue{number}">{escape(name)}</span>'
        for number, name in enumerate(policies)
    )
    lines = {
        name: [
            (float(found["days"] - len(one["regret_a_visit"]) + day), value)
            for day, value in enumerate(one["regret_a_visit"])
        ]
        for name, one in policies.items()
    }
    rows = [
        [
            escape(name),
            f"{one['first']:.2f}",
            f"{one['last']:.2f}",
            f"{one['clicks']:,.0f}",
            f"{one['left']:,.0f}",
        ]
        for name, one in policies.items()
    ]
    names = ["policy", "lost a visit, first", "last", "clicks in all", "users who left"]
    return section(
        "Exploring in a shop whose truth is known",
        f'<div class="soft">{found["users"]:,} simulated users over {found["days"]} days, '
        f"means of {found['seeds']} worlds; the first {found['warming_days']} days are by chance "
        f"for all. Less is better; what a policy loses today may keep a user. {keys}</div>"
        f"{line_plot(lines, *AXES)}{html_table(names, rows, numbers={1, 2, 3, 4})}",
    )
