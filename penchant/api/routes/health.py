"""Health and readiness, for process supervisors and load balancers. No token."""

import shutil
from http import HTTPStatus
from pathlib import Path
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from penchant.api.http.problems import HTTPProblem
from penchant.api.http.services import AppServices
from penchant.errors import PenchantError

MIN_FREE_BYTES = 1 << 20
router = APIRouter(tags=["operations"])


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """``snapshot_id``: of the online features; ``release_id``: of the release that answers.
    ``problems``: what an operator must repair although requests are answered."""

    status: Literal["ok", "degraded"]
    problems: list[str]
    snapshot_id: str
    release_id: str


@router.get("/healthz", summary="Check liveness")
def healthz() -> Health:
    """200 while the process runs."""
    return Health()


@router.get("/livez", summary="Check liveness, as Kubernetes names it")
def livez() -> Health:
    """200 while the process runs: the same as `/healthz`."""
    return Health()


@router.get("/readyz", summary="Check readiness")
def readyz(services: AppServices) -> Readiness:
    """200 if online features and a release can be read, else 503 with what is missing."""
    settings = services.settings
    try:
        snapshot_id = services.features.current().snapshot_id
        release_id = services.recommendations.read(lambda opened: opened.release.id)
    except PenchantError as error:
        raise HTTPProblem(
            HTTPStatus.SERVICE_UNAVAILABLE, error.cause, remedy=error.remedy
        ) from error
    problems = []
    if services.feedback_log.is_full or _free_bytes(settings.home) < MIN_FREE_BYTES:
        problems.append("the disk is full: reads are answered, events get 507")
    if fault := services.recommendations.fault:
        problems.append(f"an earlier release answers: {fault}")
    return Readiness(
        status="degraded" if problems else "ok",
        problems=problems,
        snapshot_id=snapshot_id,
        release_id=release_id,
    )


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
