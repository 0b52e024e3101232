"""``/healthz`` and ``/readyz``: for who watches the process; they ask for no token."""

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from penchant.api.http.problems import Refused
from penchant.errors import PenchantError, UsageError
from penchant.features.online_features import LiveFeatures
from penchant.releases.release import Release
from penchant.settings import Settings


class Healthy(BaseModel):
    status: Literal["ok"] = "ok"


class Ready(Healthy):
    """What is read: features of a snapshot, and a release."""

    snapshot_id: str
    release_id: str


def add(router: APIRouter, settings: Settings, live: LiveFeatures) -> None:
    @router.get("/healthz")
    def healthz() -> Healthy:
        """The process is alive."""
        return Healthy()

    @router.get("/readyz")
    def readyz() -> Ready:
        """There are features and a release to read."""
        try:
            snapshot_id = live.current().snapshot_id
            release_id = settings.live_release.current()
            if release_id is None:
                raise UsageError("no release is live yet", "run `penchant publish`")
            Release.open(settings, release_id)
        except PenchantError as error:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, error.cause, remedy=error.remedy
            ) from error
        return Ready(snapshot_id=snapshot_id, release_id=release_id)
