"""HTML forms: URL-encoded request bodies."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request


async def _form(request: Request) -> dict[str, str]:
    """Fields by name; the last value of a repeated one."""
    body = (await request.body()).decode("utf-8", "replace")
    return dict(parse_qsl(body, keep_blank_values=True))


Form = Annotated[dict[str, str], Depends(_form)]
