"""``POST /v1/features``: features of many users or items at once, by service or by name."""

import math
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from penchant.api.auth.access import Access
from penchant.api.auth.audit_context import about
from penchant.api.auth.feature_access import readable
from penchant.api.auth.tokens import FEATURES, Token
from penchant.api.http.event_intake import Id
from penchant.errors import UsageError
from penchant.features.online_features import LiveFeatures
from penchant.features.request import columnar

MOST_ROWS = 500

Name = Annotated[str, Field(max_length=128)]
Reference = Annotated[str, Field(max_length=256)]


class FeaturesRequest(BaseModel):
    """Give either ``service`` or ``features``, and the keys that they are features of."""

    model_config = ConfigDict(extra="forbid")

    service: Name | None = Field(None, examples=["portrait"])
    features: list[Reference] = Field([], max_length=1000, examples=[["user_statistics:spend_28d"]])
    entities: list[dict[str, Id]] = Field(
        min_length=1, max_length=MOST_ROWS, examples=[[{"user_id": "1104"}, {"user_id": "387"}]]
    )

    def asked(self) -> str | list[str]:
        """The service's name, or the references. Raises UsageError when both are given."""
        if self.service is not None and self.features:
            raise UsageError("the request has both service and features", "send one of the two")
        return self.features if self.service is None else self.service


class Features(BaseModel):
    """A row for each entity, in the order asked: its keys, and each feature by ``view__feature``.

    A feature of an entity that is not known is null, and so is a number that is not one.
    """

    snapshot_id: str
    rows: list[dict[str, Any]]


def add(router: APIRouter, access: Access, live: LiveFeatures) -> None:
    @router.post("/features")
    def features(
        request: Request,
        wanted: FeaturesRequest,
        token: Annotated[Token, Depends(access.needs(FEATURES))],
    ) -> Features:
        """Features of up to 500 entities, all of one snapshot."""
        about(request, len(wanted.entities))
        opened, entities = live.current(), columnar(wanted.entities)
        chosen = readable(request, token, opened.store, wanted.asked(), entities)
        answer = opened.store.get_online_features(
            features=chosen, entity_rows=entities, full_feature_names=True
        ).to_dict()
        names = sorted(answer, key=lambda name: (name not in entities, name))
        return Features(
            snapshot_id=opened.snapshot_id,
            rows=[
                {name: _json(answer[name][position]) for name in names}
                for position in range(len(wanted.entities))
            ],
        )


def _json(value: Any) -> Any:
    """As JSON has it: times with their zone, and null for what is not a number."""
    if isinstance(value, list):
        return [_json(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return value
