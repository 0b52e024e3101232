"""A user's history in the form that an encoder reads."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from penchant.vectors import FloatArray

TypeArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """What an encoder reads of a history. ``items_L``: rows of its catalogue, oldest first.
    ``weights_L``: decayed. ``ages_L``, ``types_L``: as in ``History``."""

    items_L: npt.NDArray[np.int64]
    weights_L: FloatArray
    ages_L: FloatArray
    types_L: TypeArray

    def take(self, kept: slice | npt.NDArray[np.bool_]) -> "Events":
        """Some of the events, in order."""
        return Events(
            self.items_L[kept], self.weights_L[kept], self.ages_L[kept], self.types_L[kept]
        )


@dataclass(frozen=True)
class History:
    """Events with an item, oldest first.

    ``ages_N``: days before the snapshot's ``as_of``, 0 for later events: all vectors of a release
    are as of the same moment. ``weights_N``: as in the mart ``sequences``, before decay,
    times the strengths of event types. ``types_N``: places in ``EVENT_TYPES``; None: of the first.
    """

    item_ids: tuple[str, ...]
    ages_N: FloatArray
    weights_N: FloatArray
    types_N: TypeArray | None = None

    @property
    def places_N(self) -> TypeArray:
        """The place of each event's type in ``EVENT_TYPES``."""
        return np.zeros(len(self), np.int64) if self.types_N is None else self.types_N

    def __len__(self) -> int:
        return len(self.item_ids)

    @classmethod
    def empty(cls) -> "History":
        nothing = np.zeros(0, np.float32)
        return cls((), nothing, nothing)

    def without(self, item_id: str) -> "History":
        """The history without the events with an item."""
        kept = [at for at, each in enumerate(self.item_ids) if each != item_id]
        return replace(
            self,
            item_ids=tuple(self.item_ids[at] for at in kept),
            ages_N=self.ages_N[kept],
            weights_N=self.weights_N[kept],
            types_N=self.places_N[kept],
        )

    def then(self, later: "History") -> "History":
        """Both histories, merged by age."""
        ages_N = np.concatenate([self.ages_N, later.ages_N])
        order_N = np.argsort(-ages_N, kind="stable")
        item_ids = (*self.item_ids, *later.item_ids)
        return History(
            tuple(item_ids[at] for at in order_N.tolist()),
            ages_N[order_N],
            np.concatenate([self.weights_N, later.weights_N])[order_N],
            np.concatenate([self.places_N, later.places_N])[order_N],
        )
