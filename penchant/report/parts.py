"""HTML elements of the report's sections."""

from html import escape

from penchant.plots.charts import Point


def metric_cell(metric: dict[str, float] | None) -> str:
    """The mean above its interval."""
    if metric is None:
        return "-"
    return (
        f'{metric["mean"]:.4f}<br><span class="soft">{metric["low"]:.4f} to '
        f"{metric['high']:.4f}</span>"
    )


def point(figure: dict[str, float], series: str = "all") -> Point:
    """A metric as a point of a plot."""
    return Point(figure["mean"], figure["low"], figure["high"], series)


def family_name(name: str) -> str:
    return name.replace("_", " ")


def section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def html_table(
    names: list[str],
    rows: list[list[str]],
    numbers: frozenset[int] | set[int] = frozenset(),
    headed: bool = True,
) -> str:
    """``rows``: cells as HTML. ``numbers``: columns that are aligned right."""

    def cells(tag: str, row: list[str]) -> str:
        styles = [' class="number"' if place in numbers else "" for place in range(len(row))]
        return "".join(
            f"<{tag}{style}>{cell}</{tag}>" for style, cell in zip(styles, row, strict=True)
        )

    head = f"<tr>{cells('th', [escape(name) for name in names])}</tr>" if headed else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table>{head}{body}</table></div>'
