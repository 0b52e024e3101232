"""``POST /get-online-features``: online features in the wire format of Feast's feature server."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from penchant.api.auth.access import RequireScope, charge_work
from penchant.api.auth.audit_context import record_entities
from penchant.api.auth.feature_access import resolve_readable
from penchant.api.auth.tokens import FEATURES, Token
from penchant.api.http.problems import FEAST_PATH
from penchant.api.http.services import AppServices
from penchant.api_schemas import MAX_FEATURES, FeatureReference, ServiceName
from penchant.feast_sdk import convert_response_to_dict

SNAPSHOT_HEADER = "Penchant-Snapshot"
MAX_ROWS = 50_000  # as many as fit into a body, with short ids
Key = Annotated[Any, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""An entity key: text. Clients of shops with numeric ids send numbers."""
router = APIRouter(tags=["features"])


class OnlineFeaturesRequest(BaseModel):
    """The request of Feast's clients. Set either ``feature_service`` or ``features``."""

    model_config = ConfigDict(extra="forbid")

    entities: dict[str, Annotated[list[Key], Field(max_length=MAX_ROWS)]] = Field(
        description="Values of each entity key, one a row.", examples=[{"user_id": ["1104"]}]
    )
    feature_service: ServiceName | None = None
    features: list[FeatureReference] = Field(
        [], max_length=MAX_FEATURES, examples=[["user_statistics:spend_28d"]]
    )
    full_feature_names: bool = Field(False, description="Name features view__feature.")
    include_feature_view_version_metadata: bool = False

    @model_validator(mode="after")
    def _check_one_selector(self) -> "OnlineFeaturesRequest":
        if self.feature_service and self.features:
            raise ValueError("the request has both feature_service and features; send one of them")
        return self


@router.post(FEAST_PATH, summary="Read online features in Feast's wire format")
def get_online_features(
    request: Request,
    body: OnlineFeaturesRequest,
    token: Annotated[Token, Depends(RequireScope(FEATURES))],
    services: AppServices,
) -> JSONResponse:
    """For clients of Feast's feature server. The header Penchant-Snapshot names the snapshot.

    Errors have the form that Feast's client raises, or are problem documents if Accept names them.
    """
    entities = max(map(len, body.entities.values()), default=0)
    record_entities(request, entities)
    charge_work(request, entities / 50)
    opened = services.features.current()
    selection = body.feature_service or body.features
    requested = resolve_readable(request, token, opened.store, selection, body.entities)
    response = opened.store.get_online_features(
        features=requested,
        entity_rows=body.entities,
        full_feature_names=body.full_feature_names,
        include_feature_view_version_metadata=body.include_feature_view_version_metadata,
    )
    return JSONResponse(
        _without_empty_arrays(convert_response_to_dict(response.proto)),
        headers={SNAPSHOT_HEADER: opened.snapshot_id},
    )


def _without_empty_arrays(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer with null for each empty array: Feast's client infers types from values, and fails
    at an empty one (seen with 0.67)."""
    for result in answer["results"]:
        result["values"] = [None if value == [] else value for value in result["values"]]
    return answer
