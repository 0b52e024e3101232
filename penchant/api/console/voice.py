"""What customers say: aspects and topics of reviews, and answers to a question."""

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from penchant.api.console.render import page, safe_svg
from penchant.api.console.session import READ_SCOPES, USER_SCOPE, RequireVisitor, Visitor
from penchant.api.http.services import AppServices
from penchant.api.schemas.insights import MAX_QUERY_LENGTH
from penchant.errors import NothingToDo
from penchant.insights.shown.plots import MOST_ASPECTS, aspects_plot
from penchant.insights.voice.published import PublishedVoice, published_voice

MAX_PASSAGES, MAX_QUOTES = 8, 24
router = APIRouter()


@router.get("/voice")
def voice(
    request: Request,
    visitor: Annotated[Visitor, Depends(RequireVisitor(READ_SCOPES))],
    services: AppServices,
    category: str = "",
    q: Annotated[str, Query(max_length=MAX_QUERY_LENGTH)] = "",
) -> HTMLResponse:
    """Aspects of the shop or a category with quotes, topics, and passages that answer ``q``."""
    published, missing = None, []
    if visitor.allows(USER_SCOPE):
        try:
            published = published_voice(services.settings)
        except NothingToDo as error:
            missing.append(error)
    return page(
        request,
        "voice.html",
        visitor,
        scope=USER_SCOPE,
        allowed=visitor.allows(USER_SCOPE),
        missing=missing,
        category=category,
        q=q.strip(),
        **(_shown(services, published, category, q.strip()) if published else {"record": None}),
    )


def _shown(
    services: AppServices, published: PublishedVoice, category: str, q: str
) -> dict[str, Any]:
    aspects = published.of_category(category) if category else published.of_shop()
    known = services.recommendations.profiles
    found = published.answer(q, None, 3 * MAX_PASSAGES) if q else []
    passages = (
        each.passage
        for each in found
        if each.passage.user_id is None or known(each.passage.user_id)
    )
    quotes = [
        {"aspect": row["aspect"], **quote}
        for row in aspects[:MOST_ASPECTS]
        for quote in row["quotes"]
        if known(quote["user_id"])
    ]
    return {
        "record": published.record,
        "categories": published.categories(),
        "plot": safe_svg(aspects_plot(aspects)),
        "quotes": quotes[:MAX_QUOTES],
        "topics": published.topics,
        "passages": list(islice(passages, MAX_PASSAGES)),
    }
