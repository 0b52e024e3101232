"""A query route answers as FastAPI's own route does."""

from typing import Annotated

import pytest
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from penchant.api.http.query_route import QueryRoute
from penchant.api.http.validation import cause_and_remedy
from penchant.api_schemas import RecommendationsQuery


def app_of(kind: type[APIRoute]) -> TestClient:
    router = APIRouter(route_class=kind)

    @router.get("/v1/recommendations")
    def answer(request: Request, query: Annotated[RecommendationsQuery, Query()]) -> Response:
        return Response(query.model_dump_json())

    app = FastAPI()
    app.include_router(router)

    @app.exception_handler(RequestValidationError)
    async def errors(request: Request, error: RequestValidationError) -> Response:
        return Response(repr(cause_and_remedy(error.errors())), 422)

    return TestClient(app)


@pytest.mark.parametrize(
    "query",
    [
        "user_id=u1",
        "user_id=u1&k=5&exclude=a&exclude=b&price_min=1.5&reasons=true",
        "user_id=u1&exclude=a",
        "",
        "user_id=u1&k=0&diversity=2&exclude=",
        "user_id=u1&k=many&unknown=1",
    ],
)
def test_validates_as_fastapi_does(query: str) -> None:
    one, other = (
        app_of(kind).get(f"/v1/recommendations?{query}") for kind in (QueryRoute, APIRoute)
    )
    assert (one.status_code, one.text) == (other.status_code, other.text)
