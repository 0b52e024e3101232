"""The register of people who asked to be erased, or not to be profiled.

An erased person is recognized by a pseudonym: the HMAC-SHA-256 of the user id under the home's key
(RFC 2104). Without the key, nobody can test whether an id is in the register.
"""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterable
from datetime import datetime

from penchant.artifacts import SubjectRequest
from penchant.errors import DataError, UsageError
from penchant.settings import Settings
from penchant.storage import held_alone

KEY_BYTES = 32
REQUEST_DIGITS = 12  # hex digits of a request's id


class Subjects:
    """Who is excluded from what. Safe to share between threads; sees other processes' changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = SubjectRequest.folder(settings)
        self._lock = threading.Lock()
        self._read_at: int | None = None
        self._requests: dict[str, SubjectRequest] = {}

    def requests(self) -> list[SubjectRequest]:
        """All requests, oldest first."""
        with self._lock:
            self._refresh()
            found = list(self._requests.values())
        return sorted(found, key=lambda each: (each.requested_at, each.id))

    def erased(self, user_ids: Iterable[str]) -> set[str]:
        """Those of the ids whose person asked for erasure."""
        pseudonyms = {each.pseudonym for each in self.requests() if each.forgets}
        if not pseudonyms:
            return set()
        return {user_id for user_id in user_ids if self.pseudonym(user_id) in pseudonyms}

    def objecting(self) -> list[str]:
        """Ids of the users who are not to be profiled."""
        objections = [each for each in self.requests() if each.kind == "object"]
        return sorted(each.user_id for each in objections if each.user_id is not None)

    def excluded(self, user_id: str) -> bool:
        """Whether a user is served without a profile: erased, or objecting."""
        requests = self.requests()
        if not requests:
            return False
        pseudonym = self.pseudonym(user_id)
        return any(each.pseudonym == pseudonym for each in requests)

    def request(self, kind: str, user_id: str, now: datetime) -> SubjectRequest:
        """Register a request; the same request again returns the first. ``now`` is naive UTC."""
        key = self.key()
        pseudonym = _pseudonym(key, user_id)
        digest = hmac.new(key, f"{kind} {user_id}".encode(), hashlib.sha256).hexdigest()
        request = SubjectRequest.model_validate(
            {
                "id": f"q-{digest[:REQUEST_DIGITS]}",
                "kind": kind,
                "pseudonym": pseudonym,
                "user_id": user_id,
                "requested_at": now,
            }
        )
        with held_alone(self._settings.privacy):
            path = self._folder / f"{request.id}.json"
            if path.exists():
                return SubjectRequest.read(path)
            request.save(self._settings)
        return request

    def withdraw(self, user_id: str) -> SubjectRequest:
        """End an objection, and return it. Raises UsageError without one."""
        pseudonym = self.pseudonym(user_id)
        for each in self.requests():
            if each.kind == "object" and each.pseudonym == pseudonym:
                (self._folder / f"{each.id}.json").unlink()
                return each
        raise UsageError(
            f"user {user_id!r} has not objected", "`penchant subject list` lists the requests"
        )

    def pseudonym(self, user_id: str) -> str:
        return _pseudonym(self.key(), user_id)

    def key(self) -> bytes:
        """The home's key; made at first use. Raises DataError where the register lost its key."""
        path = self._settings.privacy / "key"
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            if any(self._folder.glob("*.json")):
                raise DataError(
                    f"{path} is missing, but there are requests of people in {self._folder}",
                    "restore the key from a backup: erased people are recognized by it",
                ) from None
            return self._make_key()
        if len(key) != KEY_BYTES:
            raise DataError(
                f"{path}: must be {KEY_BYTES} bytes, got {len(key)}", "restore it from a backup"
            )
        return key

    def _make_key(self) -> bytes:
        folder = self._settings.privacy
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with held_alone(folder):
            path = folder / "key"
            if not path.exists():
                staging = folder / ".staging-key"
                staging.touch(mode=0o600)
                staging.write_bytes(secrets.token_bytes(KEY_BYTES))
                staging.replace(path)
            return path.read_bytes()

    def _refresh(self) -> None:
        try:
            changed_at = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            self._requests, self._read_at = {}, None
            return
        if changed_at != self._read_at:
            read = [SubjectRequest.read(path) for path in self._folder.glob("q-*.json")]
            self._requests = {each.id: each for each in read}
            self._read_at = changed_at


def _pseudonym(key: bytes, user_id: str) -> str:
    return hmac.new(key, user_id.encode(), hashlib.sha256).hexdigest()
