"""``/healthz`` and ``/readyz``: for who watches the process; they ask for no token."""

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from penchant.errors import PenchantError, UsageError
from penchant.serving.generations.generation import Generation
from penchant.serving.http.problems import Refused
from penchant.serving.online_features import LiveFeatures
from penchant.settings import Settings


class Healthy(BaseModel):
    status: Literal["ok"] = "ok"


class Ready(Healthy):
    """What is read: features of a snapshot, and a generation."""

    snapshot_id: str
    generation_id: str


def add(router: APIRouter, settings: Settings, live: LiveFeatures) -> None:
    @router.get("/healthz")
    def healthz() -> Healthy:
        """The process is alive."""
        return Healthy()

    @router.get("/readyz")
    def readyz() -> Ready:
        """There are features and a generation to read."""
        try:
            snapshot_id = live.current().snapshot_id
            generation_id = settings.live_generation.current()
            if generation_id is None:
                raise UsageError("no generation is live yet", "run `penchant publish`")
            Generation.open(settings, generation_id)
        except PenchantError as error:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, error.cause, remedy=error.remedy
            ) from error
        return Ready(snapshot_id=snapshot_id, generation_id=generation_id)
