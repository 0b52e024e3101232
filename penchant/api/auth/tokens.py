"""Bearer tokens: who may do what over HTTP.

A token is 32 random bytes, shown once when it is made. What is kept is its SHA-256: of so much
randomness a plain hash can't be searched, so nothing slower is needed. Several tokens hold at once,
so one is changed for another without a gap: ``rotate`` makes the new one and lets the old one hold
for some hours more.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from penchant.errors import UsageError
from penchant.manifest import PII_CLASSES
from penchant.settings import Settings
from penchant.storage import held_alone, write_json

FEATURES = "features:read"
FEATURE_SCOPES = {pii: FEATURES if pii == "none" else f"{FEATURES}:{pii}" for pii in PII_CLASSES}
"""For each class of a feature the scope that reads it; each scope includes those of milder ones."""

METRICS = "metrics:read"
SCOPES = (*FEATURE_SCOPES.values(), "recommendations:read", "events:write", METRICS, "admin")
PREFIX = "pk_"
BYTES = 32
LONGEST_OVERLAP = timedelta(days=30)


@dataclass(frozen=True)
class Token:
    """What is kept of a token; ``id`` names it in logs and lists."""

    id: str
    name: str
    scopes: tuple[str, ...]
    sha256: str
    made_at: str
    expires_at: str | None = None

    def may(self, scope: str) -> bool:
        return "admin" in self.scopes or any(_includes(held, scope) for held in self.scopes)

    @property
    def holds(self) -> bool:
        """False from the moment on that it expires."""
        return self.expires_at is None or datetime.now(UTC).isoformat() < self.expires_at


class Tokens:
    """The tokens of a home. Readers see a change at once, by the file's time."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.home / "tokens.json"
        self._read: tuple[int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def make(self, name: str, scopes: Iterable[str]) -> tuple[Token, str]:
        """A new token, and the secret that is never shown again.

        Raises UsageError for an empty name or no scopes, or one that does not exist.
        """
        wanted = tuple(dict.fromkeys(scopes))
        unknown = [scope for scope in wanted if scope not in SCOPES]
        if not name.strip() or not wanted or unknown:
            raise UsageError(
                f"a token needs a name and scopes; not known: {', '.join(unknown) or 'none'}",
                f"choose of {', '.join(SCOPES)}",
            )
        token, secret = _new(name, wanted)
        with held_alone(self._path.parent):
            self._write([*self.all(), token])
        return token, secret

    def rotate(self, token_id: str, overlap: timedelta) -> tuple[Token, str]:
        """A new token of the same name and scopes, and its secret; the old one holds for
        ``overlap`` more.

        Raises UsageError for a token that is not there or is being replaced already, and for an
        overlap below none or above 30 days.
        """
        if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
            raise UsageError(
                f"the old token would hold for {overlap} more",
                f"choose from 0 to {LONGEST_OVERLAP.days} days",
            )
        with held_alone(self._path.parent):
            found = self._by_id(token_id)
            old = found.pop(token_id)
            if old.expires_at is not None:
                raise UsageError(
                    f"token {old.id} of {old.name} is replaced already, and ends {old.expires_at}",
                    "rotate the token that took its place: `penchant token list`",
                )
            token, secret = _new(old.name, old.scopes)
            ending = replace(old, expires_at=(datetime.now(UTC) + overlap).isoformat())
            self._write([*(each for each in found.values() if each.holds), ending, token])
        return token, secret

    def revoke(self, token_id: str) -> Token:
        """Raises UsageError for a token that is not there."""
        with held_alone(self._path.parent):
            found = self._by_id(token_id)
            revoked = found.pop(token_id)
            self._write(found.values())
        return revoked

    def all(self) -> tuple[Token, ...]:
        """Also those that have expired: a home where one was made is never open again to all."""
        self._refresh()
        return self._tokens

    def of(self, secret: str) -> Token | None:
        """The token whose secret this is, while it holds. Each is compared in constant time."""
        self._refresh()
        given = _hash(secret)
        found = [each for each in self._tokens if hmac.compare_digest(each.sha256, given)]
        return found[0] if found and found[0].holds else None

    def _by_id(self, wanted: str) -> dict[str, Token]:
        found = {token.id: token for token in self.all()}
        if wanted not in found:
            raise UsageError(
                f"there is no token {wanted!r}", "`penchant token list` shows those that hold"
            )
        return found

    def _refresh(self) -> None:
        try:
            state = self._path.stat()
        except FileNotFoundError:
            self._tokens, self._read = (), None
            return
        changed = (state.st_ino, state.st_mtime_ns)  # each change is another file
        if changed != self._read:
            kept: list[dict[str, Any]] = json.loads(self._path.read_text())
            self._tokens = tuple(Token(**{**one, "scopes": tuple(one["scopes"])}) for one in kept)
            self._read = changed

    def _write(self, tokens: Iterable[Token]) -> None:
        write_json(self._path, [asdict(token) for token in tokens])
        Path(self._path).chmod(0o600)


def _new(name: str, scopes: tuple[str, ...]) -> tuple[Token, str]:
    secret = PREFIX + secrets.token_urlsafe(BYTES)
    made_at = datetime.now(UTC).isoformat()
    return Token(secrets.token_hex(4), name, scopes, _hash(secret), made_at), secret


def _includes(held: str, scope: str) -> bool:
    """A class of features includes those that say less of a person."""
    features = list(FEATURE_SCOPES.values())
    return held == scope or (held in features and scope in features[: features.index(held)])


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
