"""The report's section on fusion: what each of its sources is worth, and to whom."""

from penchant.plots.charts import dot_plot
from penchant.report.parts import family_name, section

GROUPS = ("coldest quarter", "colder", "warmer", "warmest quarter")


def fusion_section(lost: dict[str, list[float]]) -> str:
    """``lost``: source -> NDCG@10 lost without it by each of the groups; empty where nothing was
    fused."""
    if not lost:
        return ""
    rows = sorted(lost.items(), key=lambda row: -sum(row[1]))
    drawn = [(family_name(source), [max(0.0, one) for one in by]) for source, by in rows]
    groups = list(GROUPS[: len(rows[0][1])])
    keys = "".join(
        f'<span class="key shade{number}">{group}</span>' for number, group in enumerate(groups)
    )
    return section(
        "What fusion listens to",
        '<div class="soft">NDCG@10 that is lost when one of its sources says nothing: a family '
        "that it combines, or what is known beside them. On the users of the validation window "
        f"that it learned from, by how much was known of them. {keys}</div>"
        f"{dot_plot(drawn, groups, 'NDCG@10 lost without')}",
    )
