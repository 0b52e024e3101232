"""The report's section on the simulated world: how the regret of policies falls."""

from html import escape

from penchant.artifacts import SimulationRecord
from penchant.plots.charts import line_plot
from penchant.report.parts import html_table, section
from penchant.settings import Settings

AXES = ("day", "regret per visit, in clicks")


def regret_section(settings: Settings) -> str:
    """The last results of ``penchant simulate``; empty where it has not run."""
    try:
        record = SimulationRecord.read(SimulationRecord.path(settings))
    except FileNotFoundError:
        return ""
    keys = "".join(
        f'<span class="key hue{number}">{escape(name)}</span>'
        for number, name in enumerate(record.policies)
    )
    lines = {
        name: [
            (float(record.days - len(policy.regret_per_visit) + day), value)
            for day, value in enumerate(policy.regret_per_visit)
        ]
        for name, policy in record.policies.items()
    }
    rows = [
        [
            escape(name),
            f"{policy.first:.2f}",
            f"{policy.last:.2f}",
            f"{policy.clicks:,.0f}",
            f"{policy.left:,.0f}",
        ]
        for name, policy in record.policies.items()
    ]
    names = ["policy", "regret per visit, first", "last", "clicks", "users who left"]
    return section(
        "Exploration in a simulated shop",
        f'<div class="soft">{record.users:,} simulated users over {record.days} days, means of '
        f"{record.seeds} worlds; on the first {record.warming_days} days all policies are random. "
        "Regret is the clicks that the best slates would have added: less is better. A policy that "
        f"explores has more regret at first and may keep more users. {keys}</div>"
        f"{line_plot(lines, *AXES)}{html_table(names, rows, numbers={1, 2, 3, 4})}",
    )
