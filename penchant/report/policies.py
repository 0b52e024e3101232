"""The report's section on policies: promotion decisions and results of experiments."""

from html import escape

from penchant.artifacts import ExperimentResult, PromotionDecision
from penchant.report.parts import html_table, section


def policy_section(gates: list[PromotionDecision], results: list[ExperimentResult]) -> str:
    """Empty where no policy was trained and no experiment ran."""
    if not gates and not results:
        return ""
    rows = [
        [
            f"<code>{escape(gate.run_id)}</code>",
            _decision(gate.promoted),
            escape(gate.reason),
        ]
        for gate in gates
    ]
    tried = [
        [
            f"<code>{escape(one.experiment_id)}</code>",
            escape(one.decision),
            ", ".join(f"{escape(arm)} {count:,}" for arm, count in one.users.items()),
            escape(one.reason),
        ]
        for one in results
    ]
    parts = [
        '<div class="soft">A learned policy is tried on users only if its estimated value is '
        "significantly above what the live policy earned in the log. An experiment then decides "
        "whether it goes live.</div>"
    ]
    if rows:
        parts.append(html_table(["policy", "decision", "reason"], rows))
    if tried:
        parts.append(html_table(["experiment", "decision", "users", "reason"], tried))
    return section("Policies and experiments", "".join(parts))


def _decision(promoted: bool) -> str:
    return (
        '<span class="good">promoted</span>'
        if promoted
        else '<span class="bad">not promoted</span>'
    )
