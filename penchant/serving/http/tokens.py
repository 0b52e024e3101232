"""Bearer tokens: who may do what over HTTP.

A token is 32 random bytes, shown once when it is made. What is kept is its SHA-256: of so much
randomness a plain hash can't be searched, so nothing slower is needed. Several tokens hold at once,
so one is changed for another without a gap: make the new, hand it out, revoke the old.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penchant.errors import UsageError
from penchant.settings import Settings
from penchant.storage import held_alone, write_json

SCOPES = ("features:read", "recommendations:read", "events:write", "admin")
PREFIX = "pk_"
BYTES = 32


@dataclass(frozen=True)
class Token:
    """What is kept of a token; ``id`` names it in logs and lists."""

    id: str
    name: str
    scopes: tuple[str, ...]
    sha256: str
    made_at: str

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class Tokens:
    """The tokens of a home. Readers see a change at once, by the file's time."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.home / "tokens.json"
        self._read_at = -1
        self._by_hash: dict[str, Token] = {}

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
        secret = PREFIX + secrets.token_urlsafe(BYTES)
        token = Token(
            secrets.token_hex(4), name, wanted, _hash(secret), datetime.now(UTC).isoformat()
        )
        with held_alone(self._path.parent):
            self._write([*self.all(), token])
        return token, secret

    def revoke(self, token_id: str) -> Token:
        """Raises UsageError for a token that is not there."""
        with held_alone(self._path.parent):
            found = {token.id: token for token in self.all()}
            if token_id not in found:
                raise UsageError(
                    f"there is no token {token_id!r}", "`penchant token list` shows those that hold"
                )
            revoked = found.pop(token_id)
            self._write(found.values())
        return revoked

    def all(self) -> list[Token]:
        self._refresh()
        return list(self._by_hash.values())

    def of(self, secret: str) -> Token | None:
        """The token whose secret this is."""
        self._refresh()
        return self._by_hash.get(_hash(secret))

    def _refresh(self) -> None:
        try:
            changed_at = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            self._by_hash, self._read_at = {}, -1
            return
        if changed_at != self._read_at:
            kept: list[dict[str, Any]] = json.loads(self._path.read_text())
            tokens = [Token(**{**one, "scopes": tuple(one["scopes"])}) for one in kept]
            self._by_hash = {token.sha256: token for token in tokens}
            self._read_at = changed_at

    def _write(self, tokens: Iterable[Token]) -> None:
        write_json(self._path, [asdict(token) for token in tokens])
        Path(self._path).chmod(0o600)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
