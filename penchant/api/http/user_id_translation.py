"""Translate user ids in requests and answers: pseudonyms inside, the ids of the sources outside.

The only place where the API translates. A request's user ids, wherever they stand (``user_id`` in
the query or at any depth of the body, alone or in a list), become pseudonyms before a route reads
them, and linked ids of users and items their subjects. The answer has the user ids that the request
named, and where it lists users those of the vault. Where the request's ids are of one named source
it has the items' ids in that source. So routes, logs and stores hold pseudonyms
alone. The vault remembers who an accepted request names, except where features are read.
"""

import html
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

import structlog
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from penchant.api.http.body import replayed
from penchant.api.http.problems import FEATURE_PATHS, problem_response
from penchant.api_schemas import Id
from penchant.errors import PenchantError, UsageError
from penchant.identities import Identities, Links, source_of
from penchant.pseudonyms import Coder, Pseudonyms
from penchant.settings import Settings
from penchant.subjects import Subjects
from penchant.vault import Vault

FIELD, ITEM, SESSION = "user_id", "item_id", "session_id"
LISTS = ("/v1/audience", "/v1/campaign_users", "/v1/fading", "/v1/subjects/requests")
"""Routes that list users, for scopes that may see them."""
NO_LINKS = Links()
LIVENESS = ("/healthz", "/livez")
"""Probes that are answered even where no user id can be translated."""
REMEMBERED = 100_000  # people that this process has put into the vault
_FORM = re.compile(rb"u-[a-z2-7]{26}(?![a-z0-9])")
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")  # the same in HTML and in an address
_id = TypeAdapter(Id)

log = structlog.get_logger()


class UserIdTranslation:
    """ASGI middleware. Behind ``WholeBody`` and what rejects invalid JSON."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self._app = app
        self._pseudonyms, self._vault = Pseudonyms(settings), Vault(settings)
        self._subjects, self._identities = Subjects(settings), Identities(settings)
        self._remembered: set[str] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            coder = self._pseudonyms.serving() if scope["type"] == "http" else None
        except PenchantError as error:  # a lost key or decision: nobody can be translated
            if scope["path"] in LIVENESS:
                await self._app(scope, receive, send)
                return
            status = HTTPStatus.SERVICE_UNAVAILABLE
            await problem_response(status, error.cause, error.remedy)(scope, receive, send)
            return
        links = self._identities.current() if scope["type"] == "http" else Links()
        if coder is None and not links:
            await self._app(scope, receive, send)
            return
        translation = Translation(coder, links)
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body = message.get("body", b"")
        try:
            if scope["query_string"]:
                scope["query_string"] = translation.query(scope["query_string"])
            if translation.may_translate(body):
                body = translation.body(body)
                scope["headers"] = _with_length(scope["headers"], len(body))
        except UsageError as error:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            await problem_response(status, error.cause, error.remedy)(scope, receive, send)
            return
        answer = Answer(translation, send, self._remember, self._vault.reveal, scope["path"])
        await self._app(scope, replayed(body, receive), answer)

    async def _remember(self, people: Mapping[str, str]) -> None:
        unknown = people.keys() - self._remembered
        new = {name: people[name] for name in unknown - self._subjects.erased(unknown)}
        if not new:
            return
        try:
            await run_in_threadpool(self._vault.remember, new)
        except (OSError, sqlite3.Error, PenchantError) as error:
            # the answer doesn't depend on it; tried again with the person's next request
            log.error("vault", error=str(error), people=len(new))
            return
        if len(self._remembered) + len(new) > REMEMBERED:
            self._remembered.clear()
        self._remembered.update(new)


class Translation:
    """The ids of one request. ``given``: pseudonym -> user id, as the request named it, where
    linked ids are replaced the subject's; ``people``: the pseudonym of that very id. ``sources``:
    whose ids they are, None for those without a name."""

    def __init__(self, coder: Coder | None, links: Links = NO_LINKS) -> None:
        self._coder, self._links = coder, links
        self.given: dict[str, str] = {}
        self.people: dict[str, str] = {}
        self.sources: set[str | None] = set()
        self._names = (FIELD, ITEM) if links.items else (FIELD,)

    def may_translate(self, body: bytes) -> bool:
        """Whether a body can name a user or an item that this translates."""
        return any(name.encode() in body for name in self._names) or b"\\u" in body

    def of(self, user_id: str) -> str:
        """The pseudonym of the subject; an invalid id as it is, so that it is rejected.

        Raises UsageError for a pseudonym of another home.
        """
        try:
            _id.validate_python(user_id)
        except ValidationError:
            return user_id
        self.sources.add(source_of(user_id))
        own = user_id if self._coder is None else self._coder.of_given(user_id)
        found = self._links.user(own)
        if own != user_id:
            self.people[own] = self.given[found] = user_id
        return found

    def query(self, query: bytes) -> bytes:
        """A query string, which is percent-encoded UTF-8."""
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True)
        if not any(name in self._names for name, _ in pairs):
            return query
        translated = [(name, self._text(name, text)) for name, text in pairs]
        return urlencode(translated, quote_via=quote_plus).encode()

    def body(self, body: bytes) -> bytes:
        """A body of JSON; anything else as it is."""
        try:
            return json.dumps(self._value(json.loads(body))).encode()
        except ValueError:
            return body

    def text(
        self, body: bytes, content_type: str, listed: Mapping[str, str] | None = None
    ) -> bytes:
        """An answer with the ids that the request named, and those of ``listed``."""
        known = {**(listed or {}), **self.given}
        if not known:
            return body
        if "json" in content_type:
            written: Callable[[str], str] = lambda each: json.dumps(each)[1:-1]  # noqa: E731
        elif "html" in content_type:
            written = html.escape
        else:
            return body

        def replaced(found: re.Match[bytes]) -> bytes:
            user_id = known.get(found[0].decode())
            if user_id is None or ("html" in content_type and not _PLAIN.fullmatch(user_id)):
                return found[0]
            return written(user_id).encode()

        return _FORM.sub(replaced, body)

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if isinstance(value, dict):
            translated = {name: self._field(name, each) for name, each in value.items()}
            if {FIELD, SESSION} <= value.keys() and _is_guest(value[FIELD], value[SESSION]):
                translated[SESSION] = translated[FIELD]
            return translated
        return value

    def _text(self, name: str, text: str) -> str:
        if name == FIELD:
            return self.of(text)
        if name != ITEM:
            return text
        self.sources.add(source_of(text))
        return self._links.item(text)

    @property
    def own_items(self) -> dict[str, str]:
        """Subject of an item -> its id in the source that asks; empty where it isn't one source."""
        (source, *others) = self.sources or {None}
        return {} if source is None or others else self._links.items_of_source.get(source, {})

    def items(self, body: bytes, content_type: str) -> bytes:
        """An answer of JSON with the items' ids in the source that asks."""
        own = self.own_items
        if not own or "json" not in content_type or ITEM.encode() not in body:
            return body
        try:
            return json.dumps(_with_items(json.loads(body), own), ensure_ascii=False).encode()
        except ValueError:
            return body

    def _field(self, name: str, value: Any) -> Any:
        if name in self._names and isinstance(value, str):
            return self._text(name, value)
        if name == FIELD and isinstance(value, list):  # Feast's wire format, whole numbers too
            return [self.of(str(each)) if type(each) in (str, int) else each for each in value]
        return self._value(value)


class Answer:
    """An ASGI ``send`` that translates an answer back. If it is a success, it calls ``remember``
    with whom the request named, and ``reveal`` for whom the answer lists."""

    def __init__(
        self,
        translation: Translation,
        send: Any,
        remember: Any,
        reveal: Callable[[Iterable[str]], dict[str, str]],
        path: str,
    ) -> None:
        self._translation, self._send = translation, send
        self._remember, self._reveal = remember, reveal
        self._remembers, self._lists = path not in FEATURE_PATHS, path in LISTS
        self._start: Any = None
        self._parts: list[bytes] = []

    async def __call__(self, message: Any) -> None:
        if not (self._translation.given or self._lists or self._translation.own_items):
            await self._send(message)
        elif message["type"] == "http.response.start":
            if message["status"] < 300 and self._remembers:
                await self._remember(self._translation.people)
            self._start = message
        elif message["type"] == "http.response.body":
            self._parts.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._whole(b"".join(self._parts))
        else:
            await self._send(message)

    async def _whole(self, body: bytes) -> None:
        headers = self._start["headers"]
        content_type = dict(headers).get(b"content-type", b"").decode("latin-1")
        listed = None
        if self._lists and self._start["status"] < 300:
            names = {found.decode() for found in _FORM.findall(body)}
            listed = await run_in_threadpool(self._reveal, names)
        body = self._translation.items(body, content_type)
        body = self._translation.text(body, content_type, listed)
        await self._send({**self._start, "headers": _with_length(headers, len(body))})
        await self._send({"type": "http.response.body", "body": body})


def _with_items(value: Any, own: Mapping[str, str]) -> Any:
    """A value of JSON with other ids of its items, at any depth."""
    if isinstance(value, list):
        return [_with_items(each, own) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: own.get(each, each)
        if name == ITEM and isinstance(each, str)
        else _with_items(each, own)
        for name, each in value.items()
    }


def _is_guest(user_id: object, session_id: object) -> bool:
    """Whether a user id is that of the session, also with ``session:`` before it."""
    return user_id in (session_id, f"session:{session_id}")


def _with_length(headers: Any, length: int) -> list[tuple[bytes, bytes]]:
    """Headers with the length of another body, where they have one."""
    size = str(length).encode()
    return [(name, size if name == b"content-length" else value) for name, value in headers]
