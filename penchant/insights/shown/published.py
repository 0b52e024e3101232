"""A section for each insight that is published."""

from collections.abc import Callable

from penchant.errors import DataError, NothingToDo
from penchant.insights.shown.audience import audience_section
from penchant.insights.shown.campaigns import campaign_sections
from penchant.insights.shown.competitors import competitor_sections
from penchant.insights.shown.demand import demand_section
from penchant.insights.shown.retention import returns_section
from penchant.insights.shown.search import search_section
from penchant.insights.shown.section import InsightSection
from penchant.insights.shown.vectors import vectors_section
from penchant.insights.shown.voice import voice_section
from penchant.settings import Settings

Make = Callable[[Settings], InsightSection | list[InsightSection]]
ALL: tuple[Make, ...] = (
    *(demand_section, returns_section, search_section, audience_section, voice_section),
    *(competitor_sections, campaign_sections, vectors_section),
)


def published_sections(settings: Settings) -> list[InsightSection]:
    """In the order of a page; insights that are not published are left out."""
    return [shown for make in ALL for shown in made(settings, make)]


def made(settings: Settings, make: Make) -> list[InsightSection]:
    """The sections of one insight, none where it is not published in this home.

    What an earlier version published is not read: its section says what to do, and the page has the
    others.
    """
    try:
        shown = make(settings)
    except NothingToDo:
        return []
    except DataError as error:
        text = f"{error.cause}. What to do: {error.remedy}."
        return [InsightSection("unreadable", "An insight that can't be read", text, "", (), ())]
    return [shown] if isinstance(shown, InsightSection) else shown
