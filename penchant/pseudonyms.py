"""Pseudonyms: what a home holds in place of the sources' user ids.

A pseudonym is ``u-`` and 26 characters of base32: the first 80 bits of the HMAC-SHA-256 of the user
id under the home's key (RFC 2104), and 48 bits that authenticate them under a derived key. So the
same id has the same pseudonym in every source and at every time, nobody can test an id without the
key, and a home recognizes its own pseudonyms: the pseudonym of a pseudonym is itself.
"""

import base64
import binascii
import hmac
import re
import threading
from dataclasses import dataclass

from penchant.artifacts import PseudonymState, ReleaseManifest
from penchant.encryption.keyring import establish_held
from penchant.errors import DataError, UsageError
from penchant.home_key import derived, fingerprint, home_key, vault_path, where_from
from penchant.identities import Identities
from penchant.settings import Settings
from penchant.storage import held_alone

PREFIX = "u-"
FORM = re.compile(r"u-[a-z2-7]{26}")
IDENTITY_BYTES, TAG_BYTES = 10, 6


@dataclass(frozen=True)
class Coder:
    """Makes and recognizes the pseudonyms of one key."""

    key: bytes
    tag_key: bytes

    @classmethod
    def of_key(cls, key: bytes) -> "Coder":
        return cls(key, derived(key, b"penchant pseudonym tag"))

    def of(self, user_id: str) -> str:
        """The pseudonym of a user id; of a pseudonym, itself."""
        if self.owns(user_id):
            return user_id
        digest = hmac.digest(self.key, user_id.encode("utf-8", "surrogatepass"), "sha256")
        identity = digest[:IDENTITY_BYTES]
        packed = base64.b32encode(identity + self._tag(identity)).decode()
        return PREFIX + packed.rstrip("=").lower()

    def of_given(self, user_id: str) -> str:
        """``of`` an id that somebody asks with. Raises UsageError for a pseudonym of another key:
        it is nobody's id here."""
        if self.is_foreign(user_id):
            raise UsageError(
                f"user_id {user_id!r} is a pseudonym of another home",
                "use the user id of the source, or this home's pseudonym of it",
            )
        return self.of(user_id)

    def is_foreign(self, text: str) -> bool:
        """Whether a text has the form of a pseudonym and isn't one of this key."""
        return FORM.fullmatch(text) is not None and not self.owns(text)

    def owns(self, text: str) -> bool:
        """Whether a text is a pseudonym of this key."""
        identity = identity_of(text)
        return identity is not None and hmac.compare_digest(
            self._tag(identity), _unpacked(text)[IDENTITY_BYTES:]
        )

    def _tag(self, identity: bytes) -> bytes:
        return hmac.digest(self.tag_key, identity, "sha256")[:TAG_BYTES]


class Pseudonyms:
    """The pseudonyms of a home, where it has them; elsewhere user ids stay as they are.

    Safe to share between threads; sees other processes' changes.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._identities = settings, Identities(settings)
        self._path = PseudonymState.path(settings)
        self._lock = threading.Lock()
        self._read_at: int | None = None
        self._state: PseudonymState | None = None
        self._coder: Coder | None = None
        self._live: tuple[str, str] | None = None  # release and its snapshot

    @property
    def state(self) -> PseudonymState | None:
        """What the home has decided; None before its first data, and in homes from before.

        Raises DataError where the decision is lost: a vault is there, the file is not.
        """
        self._refresh()
        return self._state

    @property
    def coder(self) -> Coder | None:
        """For what is stored from now on; None where user ids are stored.

        Raises DataError where the key isn't that of the home.
        """
        self._refresh()
        return self._coder

    def of(self, user_id: str) -> str:
        """The id under which the home serves a user: the subject, where ids are linked.

        Raises UsageError for a pseudonym of another home.
        """
        coder = self.serving()
        own = user_id if coder is None else coder.of_given(user_id)
        return self._identities.current().user(own)

    def serving(self) -> Coder | None:
        """For lookups in what is served; None while the live release holds user ids."""
        coder, state = self.coder, self._state
        if state is not None and state.state == "migrating" and self._serves_raw(state):
            return None
        return coder

    def establish(self) -> Coder | None:
        """Decide for a new home, by ``PENCHANT_PSEUDONYMS`` and ``PENCHANT_ENCRYPT``; return
        ``coder``. Raises UsageError where it is to encrypt and no setting gives a key."""
        if self.state is None and not holds_data(self._settings):
            self._settings.privacy.mkdir(mode=0o700, parents=True, exist_ok=True)
            with held_alone(self._settings.privacy):
                if self.state is None:
                    self._decide()
        return self.coder

    def _decide(self) -> None:
        if self._settings.encrypt:
            establish_held(self._settings)
        if self._settings.pseudonyms:
            decided = PseudonymState(state="on", key=fingerprint(home_key(self._settings)))
        else:
            decided = PseudonymState(state="off")
        decided.write(PseudonymState.path(self._settings))

    def _serves_raw(self, state: PseudonymState) -> bool:
        """Whether the live release was made from a snapshot with user ids."""
        live = self._settings.live_release.current()
        if live is None:
            return False
        if self._live is None or self._live[0] != live:
            manifest = ReleaseManifest.read(self._settings.releases / live / "release.json")
            self._live = live, manifest.snapshot_id
        return self._live[1] in state.raw_snapshots

    def _refresh(self) -> None:
        path = self._path
        try:
            changed_at = path.stat().st_mtime_ns
        except FileNotFoundError:
            vault = vault_path(self._settings)
            if vault.exists() and not path.exists():  # else another process just made both
                raise DataError(
                    f"{path} is missing, but {vault} is there", PseudonymState.REMEDY
                ) from None
            return
        if changed_at == self._read_at:
            return
        with self._lock:
            state = PseudonymState.read(path)
            self._coder = None if state.state == "off" else self._opened(state)
            self._state, self._read_at = state, changed_at

    def _opened(self, state: PseudonymState) -> Coder:
        key = home_key(self._settings)
        if fingerprint(key) != state.key:
            raise DataError(
                f"{where_from(self._settings)}: not the key of this home: its fingerprint is "
                f"{fingerprint(key)}, {PseudonymState.path(self._settings)} has {state.key}",
                "restore the home's own key",
            )
        return Coder.of_key(key)


def holds_data(settings: Settings) -> bool:
    """Whether anything has landed, waits to land, or is served."""
    return (
        any(settings.landing.glob("*/*/*/batch.json"))
        or any(settings.feedback.glob("*/*.jsonl"))
        or settings.live_snapshot.current() is not None
        or settings.live_release.current() is not None
    )


def identity_of(text: str) -> bytes | None:
    """The HMAC's first bytes, if a text has the form of a pseudonym."""
    return _unpacked(text)[:IDENTITY_BYTES] if FORM.fullmatch(text) else None


def _unpacked(text: str) -> bytes:
    try:
        return base64.b32decode(text.removeprefix(PREFIX).upper() + "======")
    except binascii.Error:
        return b""
