"""``POST /get-online-features``: live features in the wire format of Feast's own server."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from penchant.api.auth.access import Access
from penchant.api.auth.audit_context import about
from penchant.api.auth.feature_access import readable
from penchant.api.auth.tokens import FEATURES, Token
from penchant.api.routes.features import MOST_ROWS, Name, Reference
from penchant.errors import UsageError
from penchant.feast_sdk import convert_response_to_dict
from penchant.features.online_features import LiveFeatures

PATH = "/get-online-features"
SNAPSHOT_HEADER = "Penchant-Snapshot"


class OnlineFeaturesRequest(BaseModel):
    """What Feast's clients send. Give either ``feature_service`` or ``features``."""

    model_config = ConfigDict(extra="forbid")

    entities: dict[str, Annotated[list[Any], Field(max_length=MOST_ROWS)]] = Field(
        description="each entity key with its values, one a row", examples=[{"user_id": ["1104"]}]
    )
    feature_service: Name | None = Field(None, examples=["portrait"])
    features: list[Reference] = Field([], max_length=1000, examples=[["user_statistics:spend_28d"]])
    full_feature_names: bool = Field(False, description="answer view__feature, not feature")
    include_feature_view_version_metadata: bool = False

    def asked(self) -> str | list[str]:
        """The service's name, or the references. Raises UsageError when both are given."""
        if self.feature_service and self.features:
            raise UsageError(
                "the request has both feature_service and features", "send one of the two"
            )
        return self.feature_service or self.features


def add(router: APIRouter, access: Access, live: LiveFeatures) -> None:
    @router.post(PATH)
    def get_online_features(
        request: Request,
        wanted: OnlineFeaturesRequest,
        token: Annotated[Token, Depends(access.needs(FEATURES))],
    ) -> JSONResponse:
        """The same as /v1/features for who has a client of Feast's."""
        about(request, max(map(len, wanted.entities.values()), default=0))
        opened = live.current()
        features = readable(request, token, opened.store, wanted.asked(), wanted.entities)
        response = opened.store.get_online_features(
            features=features,
            entity_rows=wanted.entities,
            full_feature_names=wanted.full_feature_names,
            include_feature_view_version_metadata=wanted.include_feature_view_version_metadata,
        )
        return JSONResponse(
            convert_response_to_dict(response.proto),
            headers={SNAPSHOT_HEADER: opened.snapshot_id},
        )
