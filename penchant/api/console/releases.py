"""The generations that are there, what each was made of, and the way back to the one before."""

from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse

from penchant.errors import UsageError
from penchant.serving.generations.generation import on_disk
from penchant.serving.http.console.form import Form, form
from penchant.serving.http.console.render import page
from penchant.serving.http.console.session import (
    READS,
    Sessions,
    Visitor,
    require_own_page,
    require_sign,
)
from penchant.settings import Settings

log = structlog.get_logger()


def add(app: FastAPI, settings: Settings, sessions: Sessions) -> None:
    @app.get("/generations")
    def generations(
        visitor: Annotated[Visitor, Depends(sessions.needs(*READS))], done: str = ""
    ) -> HTMLResponse:
        pointer = settings.live_generation
        if pointer.current() is None:
            raise UsageError("no generation is live", "run `penchant publish` first")
        return page(
            "generations.html",
            visitor,
            generations=on_disk(settings),
            live=pointer.current(),
            previous=pointer.previous(),
            done=done,
        )

    @app.post("/rollback", dependencies=[Depends(require_own_page)])
    def rollback(
        posted: Annotated[Form, Depends(form)],
        visitor: Annotated[Visitor, Depends(sessions.needs("admin"))],
    ) -> RedirectResponse:
        """Back to the generation before the one that the page showed as live."""
        from penchant.serving.generations.publish import rollback as run

        require_sign(visitor, posted.get("sign", ""))
        report = run(settings, leaving=posted.get("live", ""))
        log.info("rolled back", token=visitor.token.id, left=report.left, live=report.generation_id)
        return RedirectResponse(
            f"generations?done={report.generation_id}", HTTPStatus.SEE_OTHER.value
        )
