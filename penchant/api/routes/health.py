"""Health and readiness, for process supervisors and load balancers. No token."""

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from penchant.api.http.problems import HTTPProblem
from penchant.api.http.services import AppServices
from penchant.errors import PenchantError, UsageError
from penchant.releases.release import Release

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(Health):
    """``snapshot_id``: of the online features."""

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
    """200 if online features and a release are live, else 503 with what is missing."""
    settings = services.settings
    try:
        snapshot_id = services.features.current().snapshot_id
        release_id = settings.live_release.current()
        if release_id is None:
            raise UsageError("no release is live yet", "run `penchant publish`")
        Release.open(settings, release_id)
    except PenchantError as error:
        raise HTTPProblem(
            HTTPStatus.SERVICE_UNAVAILABLE, error.cause, remedy=error.remedy
        ) from error
    return Readiness(snapshot_id=snapshot_id, release_id=release_id)
