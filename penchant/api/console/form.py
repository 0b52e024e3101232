"""What a form posts: fields by name, as browsers encode them by default."""

from urllib.parse import parse_qsl

from fastapi import Request

Form = dict[str, str]


async def form(request: Request) -> Form:
    """A FastAPI dependency; of fields that come twice the last. Anything else is an empty form."""
    body = (await request.body()).decode("utf-8", "replace")
    return dict(parse_qsl(body, keep_blank_values=True))
