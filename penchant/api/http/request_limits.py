"""Bounds of a request, before anything reads it: bytes, how deep a body is nested, and that it all
means one thing.

A key twice in one object, a number that is not one and half of a surrogate pair are valid for
Python's parser, and other parsers read them otherwise.
"""

import json
import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi.responses import JSONResponse

from penchant.api.http.problems import problem

MOST_BYTES = 256 << 10
DEEPEST = 12
JSON = "application/json"

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*("|\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Bounds:
    """ASGI middleware: what is too large, too deep or ambiguous is refused.

    Below the path ``forms`` are pages whose forms post what is not JSON.
    """

    def __init__(self, app: Any, forms: str) -> None:
        self._app, self._forms = app, forms

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not _is_text(scope["query_string"]):
            detail = "the query is not UTF-8 in percent-encoding"
            await problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)(scope, receive, send)
            return
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > MOST_BYTES:
                detail = f"the body has more than {MOST_BYTES:,} bytes"
                refused = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
                await refused(scope, receive, send)
                return
        body = b"".join(parts)
        in_form = scope["path"].startswith(self._forms)
        if body and not in_form and (answer := _refusal(scope, body)):
            await answer(scope, receive, send)
            return
        sent = False

        async def once() -> Any:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, once, send)


def _refusal(scope: Any, body: bytes) -> JSONResponse | None:
    if _content_type(scope) != JSON:
        detail, remedy = "the body is not called JSON", f"send it as content-type: {JSON}"
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, remedy)
    wrong = fault(body)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, wrong) if wrong else None


def fault(body: bytes) -> str | None:
    """What is wrong with a body as JSON."""
    if depth(body) > DEEPEST:
        return f"the body is nested more than {DEEPEST} deep"
    try:
        parsed = json.loads(body.decode(), object_pairs_hook=_keyed_once, parse_constant=_no_number)
        if b"\\u" in body:
            json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "a string of the body has half of a surrogate pair"
    except UnicodeDecodeError:
        return "the body is not UTF-8"
    except ValueError as error:
        return f"the body is not JSON: {error}"
    return None


def _content_type(scope: Any) -> str:
    given = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
    return given.partition(";")[0].strip().lower()


def _is_text(query: bytes) -> bool:
    if b"%" not in query:
        return query.isascii()
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        return False
    return _BAD_ESCAPE.search(query) is None


def depth(body: bytes) -> int:
    """How deep brackets are nested outside strings, whether or not it is JSON."""
    deepest = level = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", body)):
        level += 1 if bracket in b"[{" else -1
        deepest = max(deepest, level)
    return deepest


def _keyed_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:64]!r} is there twice")
    return found


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON's")
