"""The register of people who asked to be erased, or not to be profiled.

An erased person is recognized by a pseudonym (``penchant.pseudonyms``), also in a home that holds
user ids. Without the key, nobody can test whether an id is in the register.
"""

import hmac
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime

from penchant.artifacts import SubjectRequest
from penchant.errors import UsageError
from penchant.home_key import home_key
from penchant.identities import Identities, Links, linked
from penchant.pseudonyms import IDENTITY_BYTES, Coder, Pseudonyms, identity_of
from penchant.settings import Settings
from penchant.storage import held_alone

REQUEST_DIGITS = 12  # hex digits of a request's id


class Subjects:
    """Who is excluded from what. Safe to share between threads; sees other processes' changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._identities = settings, Identities(settings)
        self._folder = SubjectRequest.folder(settings)
        self._lock = threading.Lock()
        self._read_at: int | None = None
        self._requests: dict[str, SubjectRequest] = {}
        self._excluded: frozenset[str] = frozenset()  # identities of all requests
        self._erased: frozenset[str] = frozenset()
        self._found: tuple[Links, Mapping[str, SubjectRequest], frozenset[str]] = (
            Links(),
            {},
            frozenset(),
        )

    def requests(self) -> list[SubjectRequest]:
        """All requests, oldest first."""
        with self._lock:
            self._refresh()
            found = list(self._requests.values())
        return sorted(found, key=lambda each: (each.requested_at, each.id))

    def erased(self, user_ids: Iterable[str]) -> set[str]:
        """Those of the ids whose person asked for erasure."""
        with self._lock:
            self._refresh()
            asked = self._erased
        if not asked:
            return set()
        coder = self._coder()
        return {user_id for user_id in user_ids if _identity(coder.of(user_id)) in asked}

    def objecting(self) -> list[str]:
        """Ids, as landed rows have them, of the users who are not to be profiled."""
        objections = [each for each in self.requests() if each.kind == "object"]
        ids = [each.user_id for each in objections if each.user_id is not None]
        coder = Pseudonyms(self._settings).coder
        return sorted(linked(self._settings, ids if coder is None else map(coder.of, ids)))

    def excluded(self, user_id: str) -> bool:
        """Whether a user is served without a profile: erased, or objecting."""
        with self._lock:
            self._refresh()
            requests, excluded = self._requests, self._excluded
        if not requests:
            return False
        if links := self._identities.current():
            excluded |= self._linked(links, requests)
        return _identity(self.pseudonym(user_id)) in excluded

    def _linked(self, links: Links, requests: Mapping[str, SubjectRequest]) -> frozenset[str]:
        """Identities under which the release has the people of all requests."""
        of_links, of_requests, found = self._found
        if of_links is not links or of_requests is not requests:
            own = (each.user_id or each.pseudonym for each in requests.values())
            found = frozenset(_identity(self.pseudonym(links.user(each))) for each in own)
            self._found = links, requests, found
        return found

    def request(self, kind: str, user_id: str, now: datetime) -> SubjectRequest:
        """Register a request; the same request again returns the first. ``now`` is naive UTC."""
        pseudonym = self.pseudonym(user_id)
        digest = hmac.digest(self.key(), f"{kind} {pseudonym}".encode(), "sha256").hex()
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
        identity = _identity(self.pseudonym(user_id))
        for each in self.requests():
            if each.kind == "object" and _identity(each.pseudonym) == identity:
                (self._folder / f"{each.id}.json").unlink()
                return each
        raise UsageError(
            f"user {user_id!r} has not objected", "`penchant subject list` lists the requests"
        )

    def pseudonym(self, user_id: str) -> str:
        """Of a user id, or of the pseudonym that the home has in its place."""
        return self._coder().of(user_id)

    def key(self) -> bytes:
        """The home's key; see ``home_key``."""
        return home_key(self._settings)

    def _coder(self) -> Coder:
        return Coder.of_key(self.key())

    def _refresh(self) -> None:
        try:
            changed_at = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            self._keep([], None)
            return
        if changed_at != self._read_at:
            found = [SubjectRequest.read(path) for path in self._folder.glob("q-*.json")]
            self._keep(found, changed_at)

    def _keep(self, requests: list[SubjectRequest], read_at: int | None) -> None:
        self._requests, self._read_at = {each.id: each for each in requests}, read_at
        self._excluded = frozenset(_identity(each.pseudonym) for each in requests)
        self._erased = frozenset(_identity(each.pseudonym) for each in requests if each.forgets)


def _identity(pseudonym: str) -> str:
    """What recognizes a person, in hex; earlier versions registered the whole HMAC."""
    identity = identity_of(pseudonym)
    return pseudonym[: 2 * IDENTITY_BYTES] if identity is None else identity.hex()
