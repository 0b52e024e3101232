"""The report's section on policies: what the gate said of each, and how experiments ended."""

from html import escape
from typing import Any

from penchant.report.parts import html_table, section


def policy_section(gates: list[dict[str, Any]], verdicts: list[dict[str, Any]]) -> str:
    """Nothing where no policy was learned and nothing tried."""
    if not gates and not verdicts:
        return ""
    rows = [
        [
            f"<code>{escape(gate['run_id'])}</code>",
            _verdict(gate["promoted"]),
            escape(gate["reason"]),
        ]
        for gate in gates
    ]
    tried = [
        [
            f"<code>{escape(one['experiment_id'])}</code>",
            escape(one["decision"]),
            ", ".join(f"{escape(arm)} {count:,}" for arm, count in one["users"].items()),
            escape(one["reason"]),
        ]
        for one in verdicts
    ]
    parts = [
        '<div class="soft">A learned policy meets users only if the lower end of what it '
        "would have earned in the log is above what was earned. Then an experiment decides.</div>"
    ]
    if rows:
        parts.append(html_table(["policy", "gate", "why"], rows))
    if tried:
        parts.append(html_table(["experiment", "decision", "users", "why"], tried))
    return section("Policies: who may meet a user", "".join(parts))


def _verdict(promoted: bool) -> str:
    return '<span class="good">promoted</span>' if promoted else '<span class="bad">refused</span>'
