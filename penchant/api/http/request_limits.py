"""Checks on raw requests, before they are routed: nesting depth and unambiguous JSON.

Python's parser accepts duplicate keys, NaN and unpaired surrogates; other parsers read them
differently or reject them.
"""

import json
import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi.responses import JSONResponse

from penchant.api.http.body import replayed
from penchant.api.http.problems import problem_response

MAX_PARAMETER_BYTES = 4096  # percent-encoded: more than the longest category path takes
MAX_DEPTH = 12
MAX_CONTAINERS = 20_000  # lists and objects
JSON = "application/json"
REMEDY = "send a body of JSON (RFC 8259), as /docs describes it"

_TOO_DEEP = f"the body is nested more than {MAX_DEPTH} levels deep"
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class ParameterLimit:
    """ASGI middleware that rejects a giant query parameter, such as an id of 30 KB, before anything
    reads, copies or logs it: 414."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and len(scope["query_string"]) > MAX_PARAMETER_BYTES:
            longest = max(map(len, scope["query_string"].split(b"&")))
            if longest > MAX_PARAMETER_BYTES:
                response = problem_response(
                    HTTPStatus.REQUEST_URI_TOO_LONG,
                    f"a query parameter has {longest:,} bytes, more than {MAX_PARAMETER_BYTES:,}",
                    "shorten it: an id has at most 128 characters",
                )
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


class RequestLimits:
    """ASGI middleware that rejects deeply nested and ambiguous requests. Behind ``WholeBody``.

    Bodies of requests below ``forms_path`` are HTML forms, which are not checked.
    """

    def __init__(self, app: Any, forms_path: str) -> None:
        self._app, self._forms_path = app, forms_path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not _is_utf8(scope["query_string"]):
            detail = "the query string must be percent-encoded UTF-8"
            remedy = "encode each parameter, as URL libraries do"
            response = problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, detail, remedy)
            await response(scope, receive, send)
            return
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body = message["body"]
        is_form = scope["path"].startswith(self._forms_path)
        if body and not is_form and (rejection := _rejection(scope, body)):
            await rejection(scope, receive, send)
            return
        await self._app(scope, replayed(body, receive), send)


def _rejection(scope: Any, body: bytes) -> JSONResponse | None:
    content_type = _content_type(scope)
    if content_type != JSON:
        return problem_response(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type must be {JSON}, got {content_type[:64] or 'none'!r}",
            f"send the header Content-Type: {JSON}",
        )
    error = json_error(body)
    return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, error, REMEDY) if error else None


def json_error(body: bytes) -> str | None:
    """Why a body is rejected as JSON; None if it is accepted."""
    if body.count(b"[") + body.count(b"{") > MAX_CONTAINERS:
        return f"the body has more than {MAX_CONTAINERS:,} lists and objects"
    try:
        parsed = json.loads(
            body.decode(), object_pairs_hook=_unique_keys, parse_constant=_reject_constant
        )
        if nested_deeper(parsed, MAX_DEPTH):
            return _TOO_DEEP
        if b"\\u" in body:
            json.dumps(parsed, ensure_ascii=False).encode()
    except RecursionError:
        return _TOO_DEEP
    except UnicodeEncodeError:
        return "a string in the body has an unpaired surrogate"
    except UnicodeDecodeError:
        return "the body is not UTF-8"
    except ValueError as error:
        return f"the body is not valid JSON: {error}"
    return None


def _content_type(scope: Any) -> str:
    header = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
    return header.partition(";")[0].strip().lower()


def _is_utf8(query: bytes) -> bool:
    if b"%" not in query:
        return query.isascii()
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        return False
    return _BAD_ESCAPE.search(query) is None


def nested_deeper(parsed: Any, most: int) -> bool:
    """Whether lists and objects are nested more than ``most`` levels deep."""
    level = [parsed] if isinstance(parsed, list | dict) else []
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, list | dict)
        ]
        if not level:
            return False
    return True


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        duplicate = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"duplicate key {duplicate[:64]!r}")
    return found


def _reject_constant(constant: str) -> None:
    raise ValueError(f"NaN and Infinity are not allowed, got {constant}")
