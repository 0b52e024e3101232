"""What a release folds by: its encoder, and what each user had done when it was made."""

import threading
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from penchant.encoders import encoder as encoders
from penchant.encoders import histories
from penchant.encoders.encoder import Encoder
from penchant.encoders.history import History
from penchant.releases.opened import OpenRelease
from penchant.releases.release import Release
from penchant.vectors import FloatArray


@dataclass(frozen=True)
class FoldIn:
    """``as_of``: where the release's clock stands. ``learned_from``: the kind of event that the
    retriever's family was taught by."""

    encoder: Encoder
    histories: histories.Histories
    as_of: datetime
    learned_from: str

    @classmethod
    def open(cls, release: Release) -> "FoldIn":
        described = release.description["encoder"]
        encoder = Encoder.open(release.path / encoders.FOLDER)
        return cls(
            encoder,
            histories.Histories.open(release.path / histories.FOLDER, encoder.items),
            datetime.fromisoformat(described["as_of"]),
            described["learned_from"],
        )

    def history(self, user_id: str) -> History:
        """What a user had done; empty for one who is not known."""
        return self.histories.of(user_id)

    def fold(self, history: History) -> FloatArray:
        """vector_D of a user who did this."""
        return self.encoder.fold(history)


_opened: WeakKeyDictionary[OpenRelease, FoldIn] = WeakKeyDictionary()
_opening = threading.Lock()


def fold_in_of(opened: OpenRelease) -> FoldIn | None:
    """Opened when it is first asked for; None of a release without an encoder."""
    if not opened.release.has_encoder:
        return None
    with _opening:
        found = _opened.get(opened)
        if found is None:
            found = _opened[opened] = FoldIn.open(opened.release)
        return found
