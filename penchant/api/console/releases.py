"""The releases that are there, what each was made of, and the way back to the one before."""

from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse

from penchant.api.console.form import Form, form
from penchant.api.console.render import page
from penchant.api.console.session import READS, Sessions, Visitor, require_own_page, require_sign
from penchant.errors import UsageError
from penchant.releases.release import on_disk
from penchant.settings import Settings

log = structlog.get_logger()


def add(app: FastAPI, settings: Settings, sessions: Sessions) -> None:
    @app.get("/releases")
    def releases(
        visitor: Annotated[Visitor, Depends(sessions.needs(*READS))], done: str = ""
    ) -> HTMLResponse:
        pointer = settings.live_release
        if pointer.current() is None:
            raise UsageError("no release is live", "run `penchant publish` first")
        return page(
            "releases.html",
            visitor,
            releases=on_disk(settings),
            live=pointer.current(),
            previous=pointer.previous(),
            done=done,
        )

    @app.post("/rollback", dependencies=[Depends(require_own_page)])
    def rollback(
        posted: Annotated[Form, Depends(form)],
        visitor: Annotated[Visitor, Depends(sessions.needs("admin"))],
    ) -> RedirectResponse:
        """Back to the release before the one that the page showed as live."""
        from penchant.publishing.publish import rollback as run

        require_sign(visitor, posted.get("sign", ""))
        report = run(settings, leaving=posted.get("live", ""))
        log.info("rolled back", token=visitor.token.id, left=report.left, live=report.release_id)
        return RedirectResponse(f"releases?done={report.release_id}", HTTPStatus.SEE_OTHER.value)
