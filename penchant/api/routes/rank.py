"""``POST /v1/rank``: a shop's own candidates, ranked for a user."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from penchant.api.auth.access import RequireScope, charge_work, require_scope, work_of
from penchant.api.auth.audit_context import record_entities
from penchant.api.auth.tokens import REASONS, Token
from penchant.api.http.services import AppServices
from penchant.api.routes.recommend import context_of, states_with
from penchant.api.schemas.personal import Contribution, RankedItem, Ranking, RankRequest
from penchant.api.server.connected import require_connected
from penchant.serving.recommending.basket import ANONYMOUS
from penchant.serving.recommending.impressions import log_slates
from penchant.serving.recommending.rank import RankCandidate, RankOptions

router = APIRouter(tags=["recommendations"])


@router.post(
    "/v1/rank",
    summary="Rank candidates for a user",
)
def rank(
    request: Request,
    body: RankRequest,
    token: Annotated[Token, Depends(RequireScope("recommendations:read"))],
    services: AppServices,
) -> Ranking:
    """The candidates by relevance to the user and by weighted fields, with each term's share.

    Without weights the order is that of recommendations among the same items. Reasons require the
    scope `reasons:read` too.
    """
    record_entities(request, len(body.items))
    if body.reasons:
        require_scope(request, token, REASONS)
    charge_work(request, len(body.items) / 50 + work_of(body.k, body.reasons))
    now = datetime.now(UTC).replace(tzinfo=None)
    found = services.recommendations.rank(
        states_with(services, body.user_id, body.events, now),
        body.user_id or ANONYMOUS,
        [RankCandidate(each.item_id, each.fields) for each in body.items],
        body.k,
        RankOptions(body.weights, body.context.item_id, body.reasons),
    )
    answer = found.answer
    impressions: dict[str, str] = {}
    if body.user_id is not None:
        require_connected(request)
        owned = replace(answer, user_id=body.user_id)
        (shown,) = log_slates(services.feedback_log, [owned], context_of(body.context), now)
        ids = [item.item_id for item in answer.items]
        impressions = dict(zip(ids, shown.impression_ids, strict=True))
    described = {item.item_id: item for item in answer.items}
    return Ranking(
        user_id=body.user_id,
        origin=answer.origin,
        policy=answer.policy,
        release_id=answer.release_id,
        snapshot_id=answer.snapshot_id,
        slate_id=answer.slate_id if body.user_id else None,
        items=[
            RankedItem.model_validate(
                {
                    "title": None,
                    "category": None,
                    "price": None,
                    "source": None,
                    "reason": None,
                    **(described[each.item_id].as_dict() if each.item_id in described else {}),
                    "item_id": each.item_id,
                    "score": each.score,
                    "contributions": [Contribution(**asdict(term)) for term in each.contributions],
                    "impression_id": impressions.get(each.item_id),
                }
            )
            for each in found.items
        ],
        unknown=list(found.unknown),
        reasons_by=answer.reasons_by,
        reasons_withheld=answer.reasons_withheld,
    )
