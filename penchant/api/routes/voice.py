"""``GET /v1/voice`` and ``/v1/answers``: what customers say, and answers from what they wrote.

Quotes of users who object to profiling are left out.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request

from penchant.api.auth.access import RequireScope, charge_work
from penchant.api.auth.tokens import FEATURE_SCOPES
from penchant.api.http.problems import UNKNOWN_ITEM
from penchant.api.http.services import AppServices, Services
from penchant.api.schemas.insights import (
    AnswerPassage,
    Answers,
    AnswersQuery,
    Aspect,
    AspectMonth,
    Quote,
    Topic,
    TopicMonth,
    Voice,
    VoiceQuery,
)
from penchant.errors import UsageError
from penchant.insights.voice.published import published_voice

router = APIRouter(tags=["insights"], dependencies=[Depends(RequireScope(FEATURE_SCOPES["quasi"]))])
ANSWER_WORK = 2.0  # units, of a search over all passages
SPARE = 20  # passages beyond k, which stand in for those of users who object


@router.get("/v1/voice", summary="Read what customers say", responses=UNKNOWN_ITEM)
def voice(query: Annotated[VoiceQuery, Query()], services: AppServices) -> Voice:
    """Aspects of reviews with their sentiment and trend: of an item, a category or the shop."""
    if query.item_id is not None and query.category is not None:
        raise UsageError("item_id and category are both given", "pass one of them, or neither")
    published = published_voice(services.settings)
    level: Literal["item", "category", "shop"] = "shop"
    topics = published.topics
    if query.item_id is not None:
        level, topics, rows = "item", [], published.of_item(query.item_id)
    elif query.category is not None:
        level, topics, rows = "category", [], published.of_category(query.category)
    else:
        rows = published.of_shop()
    return Voice(
        snapshot_id=published.record.snapshot_id,
        level=level,
        item_id=query.item_id,
        category=query.category,
        scored_by=published.record.scored_by,
        aspects=[_aspect(services, row) for row in rows[: query.k]],
        topics=[_topic(services, row) for row in topics],
    )


@router.get("/v1/answers", summary="Answer a question from reviews", responses=UNKNOWN_ITEM)
def answers(
    request: Request, query: Annotated[AnswersQuery, Query()], services: AppServices
) -> Answers:
    """Sentences of reviews and descriptions, and the shop's answers to earlier questions, that have
    the question's words, as they were written.

    No text is generated.
    """
    charge_work(request, ANSWER_WORK)
    published = published_voice(services.settings)
    found = published.answer(query.q, query.item_id, query.k + SPARE)
    known = services.recommendations.profiles
    shown = (each for each in found if each.passage.user_id is None or known(each.passage.user_id))
    return Answers(
        snapshot_id=published.record.snapshot_id,
        passages=[
            AnswerPassage(
                item_id=each.passage.item_id,
                source=each.passage.source,
                reviewed_at=each.passage.written_at if each.passage.source == "review" else None,
                text=each.passage.text,
                question=each.passage.question,
                score=each.score,
            )
            for each in islice(shown, query.k)
        ],
    )


def quotes_of(services: Services, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the names of their authors, and without those of users who object."""
    return [
        {name: value for name, value in row.items() if name != "user_id"}
        for row in rows
        if services.recommendations.profiles(row["user_id"])
    ]


def _aspect(services: Services, row: dict[str, Any]) -> Aspect:
    return Aspect(
        aspect=row["aspect"],
        language=row["language"],
        reviews=row["reviews"],
        sentiment=row["sentiment"],
        trend=row["trend"],
        months=[AspectMonth(**month) for month in row["months"]],
        quotes=[Quote(**quote) for quote in quotes_of(services, row["quotes"])],
    )


def _topic(services: Services, row: dict[str, Any]) -> Topic:
    return Topic(
        language=row["language"],
        words=row["words"],
        share=row["share"],
        months=[TopicMonth(**month) for month in row["months"]],
        quotes=[Quote(**quote) for quote in quotes_of(services, row["quotes"])],
    )
