"""``GET /metrics``: the metrics of this process for Prometheus."""

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST

from penchant.api.auth.access import RequireScope
from penchant.api.auth.tokens import METRICS
from penchant.api.http.services import AppServices

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    summary="Read Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    dependencies=[Depends(RequireScope(METRICS))],
)
def metrics(services: AppServices) -> Response:
    """Metrics of this server process in Prometheus's text format."""
    return Response(services.metrics.text(), media_type=CONTENT_TYPE_LATEST)
