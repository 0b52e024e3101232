"""The console's style sheet, script and icon. They contain no data and need no token."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from penchant.plots.palette import PALETTE

FILES = Path(__file__).resolve().parent / "static"
HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
router = APIRouter()


@router.get("/static/console.css")
def style() -> Response:
    text = PALETTE + (FILES / "console.css").read_text()
    return Response(text, media_type="text/css", headers=HEADERS)


@router.get("/static/console.js")
def script() -> FileResponse:
    return FileResponse(FILES / "console.js", media_type="text/javascript", headers=HEADERS)


@router.get("/static/icon.svg")
def icon() -> FileResponse:
    return FileResponse(FILES / "icon.svg", media_type="image/svg+xml", headers=HEADERS)
