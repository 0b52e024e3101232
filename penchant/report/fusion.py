"""The report's section on fusion: ablation of its sources by group of users."""

from penchant.plots.charts import dot_plot
from penchant.report.parts import family_name, section

GROUPS = ("coldest quarter", "colder", "warmer", "warmest quarter")


def fusion_section(lost: dict[str, list[float]]) -> str:
    """``lost``: source -> NDCG@10 lost without it in each group; empty without fusion."""
    if not lost:
        return ""
    rows = sorted(lost.items(), key=lambda row: -sum(row[1]))
    drawn = [(family_name(source), [max(0.0, one) for one in losses]) for source, losses in rows]
    groups = list(GROUPS[: len(rows[0][1])])
    keys = "".join(
        f'<span class="key shade{number}">{group}</span>' for number, group in enumerate(groups)
    )
    return section(
        "Ablation of fusion",
        '<div class="soft">NDCG@10 lost without one of its sources: a family that it combines, or '
        "other features. On the users of the validation window that it was fitted on, by their "
        f"number of events. {keys}</div>"
        f"{dot_plot(drawn, groups, 'NDCG@10 lost without')}",
    )
