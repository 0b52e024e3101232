"""The HTTP API: ``/v1`` for services, and live features in the wire format of Feast's own server.

Nothing of Feast's that writes has a route here.
"""

from http import HTTPStatus
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from penchant.errors import UsageError
from penchant.serving.feast import convert_response_to_dict
from penchant.serving.feature_request import require_keys, resolve
from penchant.serving.http.access import Access
from penchant.serving.http.bounds import Bounds
from penchant.serving.http.problems import Refused, problem
from penchant.serving.http.v1.routes import routes
from penchant.serving.online_features import LiveFeatures
from penchant.settings import Settings

SNAPSHOT_HEADER = "Penchant-Snapshot"


class OnlineFeaturesRequest(BaseModel):
    """What Feast's clients send. Give either ``feature_service`` or ``features``."""

    model_config = ConfigDict(extra="forbid")

    entities: dict[str, list[Any]] = Field(
        description="each entity key with its values, one a row", examples=[{"user_id": ["1104"]}]
    )
    feature_service: str | None = Field(None, examples=["portrait"])
    features: list[str] = Field([], examples=[["user_statistics:spend_28d"]])
    full_feature_names: bool = Field(False, description="answer view__feature, not feature")
    include_feature_view_version_metadata: bool = False

    def asked(self) -> str | list[str]:
        """The service's name, or the references. Raises UsageError when both are given."""
        if self.feature_service and self.features:
            raise UsageError(
                "the request has both feature_service and features", "send one of the two"
            )
        return self.feature_service or self.features


def create_app(settings: Settings) -> FastAPI:
    """The API over what is live: it follows the pointers, and writes to the feedback log alone.

    A request is answered from one snapshot, named in the header ``Penchant-Snapshot``, or from one
    generation, named in the answer, even when a pointer moves meanwhile.
    """
    app = FastAPI(title="Penchant", version="1", docs_url="/docs", redoc_url=None)
    live, access = LiveFeatures(settings), Access(settings)
    app.include_router(routes(settings, access))
    app.add_middleware(Bounds)

    @app.post("/get-online-features", dependencies=[Depends(access.needs("features:read"))])
    def get_online_features(request: OnlineFeaturesRequest) -> JSONResponse:
        opened = live.current()
        features = resolve(opened.store, request.asked())
        require_keys(opened.store, features, request.entities)
        response = opened.store.get_online_features(
            features=features,
            entity_rows=request.entities,
            full_feature_names=request.full_feature_names,
            include_feature_view_version_metadata=request.include_feature_view_version_metadata,
        )
        return JSONResponse(
            convert_response_to_dict(response.proto),
            headers={SNAPSHOT_HEADER: opened.snapshot_id},
        )

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        """There are features to read."""
        try:
            opened = live.current()
        except UsageError as error:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return JSONResponse({"status": "ok", "snapshot_id": opened.snapshot_id})

    @app.exception_handler(Refused)
    def not_allowed(request: Request, error: Refused) -> JSONResponse:
        return problem(error.status, error.detail, headers=error.headers)

    @app.exception_handler(UsageError)
    def refused(request: Request, error: UsageError) -> JSONResponse:
        of_features = request.url.path == "/get-online-features"
        pointer = settings.live_features if of_features else settings.live_generation
        ready = pointer.current() is not None
        status = HTTPStatus.UNPROCESSABLE_ENTITY if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return problem(status, error.cause, error.remedy)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        wrong = "; ".join(
            f"{'.'.join(map(str, item['loc'][1:])) or 'body'}: {item['msg']}"
            for item in error.errors()
        )
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, wrong)

    return app
