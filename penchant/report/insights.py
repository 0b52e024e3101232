"""The report's sections on insights: what is published."""

from html import escape

from penchant.insights.shown.published import published_sections
from penchant.insights.shown.section import InsightSection
from penchant.report.parts import html_table, section
from penchant.settings import Settings


def insights_sections(settings: Settings) -> list[str]:
    """A section for each insight that is published."""
    return [_html(each) for each in published_sections(settings)]


def _html(shown: InsightSection) -> str:
    rows = [[escape(cell) for cell in row] for row in shown.rows]
    table = html_table(list(shown.columns), rows, numbers=shown.numbers) if rows else ""
    return section(shown.title, f'<div class="soft">{escape(shown.text)}</div>{shown.plot}{table}')
