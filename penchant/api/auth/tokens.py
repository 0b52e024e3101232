"""Bearer tokens of the HTTP API.

A token is 32 random bytes, shown once when it is made; only its SHA-256 is stored. A plain hash is
enough for so many random bits: there is nothing to guess. Several tokens are valid at once, so
``rotate`` replaces one without downtime: the old one expires some hours after the new one is made.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from penchant.errors import DataError, UsageError
from penchant.manifest import PII_CLASSES
from penchant.settings import Settings
from penchant.storage import PRIVATE, held_alone, write_json

FEATURES = "features:read"
FEATURE_SCOPES = {pii: FEATURES if pii == "none" else f"{FEATURES}:{pii}" for pii in PII_CLASSES}
"""The scope that reads features of each class; a scope includes those of less personal classes."""

INSIGHTS = "insights:read"
"""Forecasts of demand, by item and category."""

METRICS = "metrics:read"
CATALOGUE = ("items:write", "users:write")
REASONS = "reasons:read"
"""Reasons of recommendations, which name items of a user's history."""
HISTORY = "history:read"
"""Options whose effect tells what a user bought: lists with and without ``exclude_bought``."""
PRIVACY = "privacy:admin"
"""People's requests about their data: export, objection, erasure."""
RESTRICTED = (PRIVACY, "admin")
"""Scopes that only a token made for them has."""

SCOPES = (
    *FEATURE_SCOPES.values(),
    "recommendations:read",
    REASONS,
    HISTORY,
    INSIGHTS,
    "events:write",
    *CATALOGUE,
    METRICS,
    *RESTRICTED,
)
PREFIX = "pk_"
BYTES = 32
MAX_OVERLAP = timedelta(days=30)


@dataclass(frozen=True)
class Token:
    """A stored token. ``id`` identifies it in logs and lists."""

    id: str
    name: str
    scopes: tuple[str, ...]
    sha256: str
    made_at: str
    expires_at: str | None = None

    def allows(self, scope: str) -> bool:
        return "admin" in self.scopes or any(_includes(held, scope) for held in self.scopes)

    @property
    def valid(self) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or datetime.now(UTC).isoformat() < self.expires_at


class Tokens:
    """The tokens of a home. A running server sees changes at once, by the file's identity."""

    def __init__(self, settings: Settings) -> None:
        self._path, self._local = settings.home / "tokens.json", settings.local_token
        self._read: tuple[int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def make(self, name: str, scopes: Iterable[str]) -> tuple[Token, str]:
        """A new token and its secret, which is not stored.

        Raises UsageError for an empty name, no scopes or an unknown scope.
        """
        unique = tuple(dict.fromkeys(scopes))
        unknown = [scope for scope in unique if scope not in SCOPES]
        remedy = f"pass a name and one or more of the scopes {', '.join(SCOPES)}"
        if unknown:
            raise UsageError(f"unknown scope {', '.join(unknown)}", remedy)
        if not name.strip() or not unique:
            raise UsageError("a token must have a name and at least one scope", remedy)
        token, secret = _new(name, unique)
        with held_alone(self._path.parent):
            self._write([*self.all(), token])
        return token, secret

    def make_first(self, name: str, scopes: Iterable[str]) -> tuple[Token, str] | None:
        """A new token and its secret where the home never had a token, else None."""
        with held_alone(self._path.parent):
            if self.required:
                return None
            token, secret = _new(name, tuple(scopes))
            self._write([token])
        return token, secret

    @property
    def required(self) -> bool:
        """Whether requests need a token: once the home has had one, even if all are revoked."""
        return self._path.exists()

    def rotate(self, token_id: str, overlap: timedelta) -> tuple[Token, str]:
        """A new token with the same name and scopes, and its secret. The old one expires after
        ``overlap``.

        Raises UsageError for an unknown or already rotated token, and for an overlap that is
        negative or above 30 days.
        """
        if not timedelta(0) <= overlap <= MAX_OVERLAP:
            raise UsageError(
                f"the overlap must be from 0 to {MAX_OVERLAP.days} days, got {overlap}",
                f"pass from 0 to {MAX_OVERLAP.days * 24} hours",
            )
        with held_alone(self._path.parent):
            found = self._by_id(token_id)
            old = found.pop(token_id)
            if old.expires_at is not None:
                raise UsageError(
                    f"token {old.id} of {old.name} is already rotated; it expires {old.expires_at}",
                    "rotate the token that replaced it; `penchant token list` shows it",
                )
            token, secret = _new(old.name, old.scopes)
            ending = replace(old, expires_at=(datetime.now(UTC) + overlap).isoformat())
            self._write([*(each for each in found.values() if each.valid), ending, token])
        return token, secret

    def revoke(self, token_id: str) -> Token:
        """Delete a token. Raises UsageError for an unknown one."""
        with held_alone(self._path.parent):
            found = self._by_id(token_id)
            revoked = found.pop(token_id)
            self._write(found.values())
            if self._local.exists() and _hash(self._local.read_text().strip()) == revoked.sha256:
                self._local.unlink()
        return revoked

    def all(self) -> tuple[Token, ...]:
        """Including expired ones."""
        self._refresh()
        return self._tokens

    def find(self, secret: str) -> Token | None:
        """The valid token with this secret. Each comparison takes constant time."""
        self._refresh()
        sha256 = _hash(secret)
        found = [each for each in self._tokens if hmac.compare_digest(each.sha256, sha256)]
        return found[0] if found and found[0].valid else None

    def _by_id(self, wanted: str) -> dict[str, Token]:
        found = {token.id: token for token in self.all()}
        if wanted not in found:
            raise UsageError(
                f"unknown token id {wanted!r}", "`penchant token list` shows the ids of all tokens"
            )
        return found

    def _refresh(self) -> None:
        try:
            state = self._path.stat()
        except FileNotFoundError:
            self._tokens, self._read = (), None
            return
        version = (state.st_ino, state.st_mtime_ns)  # each change writes a new file
        if version != self._read:
            try:
                kept: list[dict[str, Any]] = json.loads(self._path.read_text())
                tokens = [Token(**{**one, "scopes": tuple(one["scopes"])}) for one in kept]
            except (ValueError, TypeError, KeyError) as error:
                raise DataError(
                    f"{self._path} is damaged: {error}",
                    "restore it from a backup, or replace it by [] and make new tokens",
                ) from error
            self._tokens = tuple(tokens)
            self._read = version

    def _write(self, tokens: Iterable[Token]) -> None:
        write_json(self._path, [asdict(token) for token in tokens], PRIVATE)


def _new(name: str, scopes: tuple[str, ...]) -> tuple[Token, str]:
    secret = PREFIX + secrets.token_urlsafe(BYTES)
    made_at = datetime.now(UTC).isoformat()
    return Token(secrets.token_hex(4), name, scopes, _hash(secret), made_at), secret


def _includes(held: str, scope: str) -> bool:
    """A feature scope includes those of less personal classes."""
    features = list(FEATURE_SCOPES.values())
    return held == scope or (held in features and scope in features[: features.index(held)])


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
