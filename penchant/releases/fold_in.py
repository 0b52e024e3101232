"""Fold-in of a release: its encoder, and each user's history as of the release."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from penchant.encoders import encoder as encoders
from penchant.encoders import histories
from penchant.encoders.encoder import Encoder
from penchant.encoders.history import History
from penchant.releases.release import Release
from penchant.vectors import FloatArray


@dataclass(frozen=True)
class FoldIn:
    """``as_of``: the end of the release's data. ``learned_from``: the event type that the
    retriever was trained on."""

    encoder: Encoder
    histories: histories.Histories
    as_of: datetime
    learned_from: str

    @classmethod
    def open(cls, release: Release) -> "FoldIn":
        described = release.manifest.encoder
        assert described is not None  # see Release.has_encoder
        encoder = Encoder.open(release.path / encoders.FOLDER)
        return cls(
            encoder,
            histories.Histories.open(release.path / histories.FOLDER, encoder.items),
            described.as_of,
            described.learned_from,
        )

    @property
    def strengths(self) -> dict[str, float]:
        """Of the event types that the snapshot recorded; see ``Encoder.strengths``."""
        given = self.encoder.strengths
        return {self.learned_from: 1.0} if given is None else given

    def history(self, user_id: str) -> History:
        """A user's events before ``as_of``; empty for an unknown user."""
        return self.histories.of(user_id)

    def vectors_without(self, history: History, item_ids: Sequence[str]) -> FloatArray:
        """vectors_TD of a user with this history without each of the items."""
        return self.encoder.encode_without(history, item_ids)

    def events_read_without(self, history: History) -> int:
        """Events that ``vectors_without`` reads for each item; 0 where it needs not read them."""
        return self.encoder.events_read_without(history)

    def vector(self, history: History) -> FloatArray:
        """vector_D of a user with this history."""
        return self.encoder.encode(history)
