"""What a generation folds by: its encoder, and what each shopper had done when it was made."""

import threading
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from penchant.serving.folding import encoder as encoders
from penchant.serving.folding import histories
from penchant.serving.folding.encoder import Encoder
from penchant.serving.folding.history import History
from penchant.serving.generations.generation import Generation
from penchant.serving.generations.opened import OpenGeneration
from penchant.vectors import FloatArray


@dataclass(frozen=True)
class Folding:
    """``as_of``: where the generation's clock stands. ``learned_from``: the kind of event that the
    retriever's family was taught by."""

    encoder: Encoder
    histories: histories.Histories
    as_of: datetime
    learned_from: str

    @classmethod
    def open(cls, generation: Generation) -> "Folding":
        described = generation.description["encoder"]
        encoder = Encoder.open(generation.path / encoders.FOLDER)
        return cls(
            encoder,
            histories.Histories.open(generation.path / histories.FOLDER, encoder.items),
            datetime.fromisoformat(described["as_of"]),
            described["learned_from"],
        )

    def history(self, user_id: str) -> History:
        """What a shopper had done; empty for one who is not known."""
        return self.histories.of(user_id)

    def fold(self, history: History) -> FloatArray:
        """vector_D of a shopper who did this."""
        return self.encoder.fold(history)


_opened: WeakKeyDictionary[OpenGeneration, Folding] = WeakKeyDictionary()
_opening = threading.Lock()


def folding_of(opened: OpenGeneration) -> Folding | None:
    """Opened when it is first asked for; None of a generation without an encoder."""
    if not opened.generation.has_encoder:
        return None
    with _opening:
        found = _opened.get(opened)
        if found is None:
            found = _opened[opened] = Folding.open(opened.generation)
        return found
