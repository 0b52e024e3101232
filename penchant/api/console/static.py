"""The console's style sheet, script and icon: nothing of the shop is in them, anyone gets them."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response

from penchant.plots.palette import PALETTE

FILES = Path(__file__).resolve().parent / "static"
FRESH = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


def add(app: FastAPI) -> None:
    @app.get("/static/console.css")
    def style() -> Response:
        text = PALETTE + (FILES / "console.css").read_text()
        return Response(text, media_type="text/css", headers=FRESH)

    @app.get("/static/console.js")
    def script() -> FileResponse:
        return FileResponse(FILES / "console.js", media_type="text/javascript", headers=FRESH)

    @app.get("/static/icon.svg")
    def icon() -> FileResponse:
        return FileResponse(FILES / "icon.svg", media_type="image/svg+xml", headers=FRESH)
