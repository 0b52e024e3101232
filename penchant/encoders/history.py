"""What a user did, as an encoder reads it."""

from dataclasses import dataclass, replace

import numpy as np

from penchant.vectors import FloatArray


@dataclass(frozen=True)
class History:
    """Events with an item, oldest first. ``ages_N``: days from each to the snapshot's ``as_of``, 0
    for what came after it: a release's clock stands there, so that its vectors compare.
    ``weights_N``: how much an event says, as the mart ``sequences`` weighs it, not decayed yet.
    """

    item_ids: tuple[str, ...]
    ages_N: FloatArray
    weights_N: FloatArray

    def __len__(self) -> int:
        return len(self.item_ids)

    @classmethod
    def empty(cls) -> "History":
        nothing = np.zeros(0, np.float32)
        return cls((), nothing, nothing)

    def without(self, item_id: str) -> "History":
        """All but the events with an item."""
        kept = [at for at, each in enumerate(self.item_ids) if each != item_id]
        return replace(
            self,
            item_ids=tuple(self.item_ids[at] for at in kept),
            ages_N=self.ages_N[kept],
            weights_N=self.weights_N[kept],
        )

    def then(self, later: "History") -> "History":
        """These events and the others, in the order of time: what came late may be older."""
        ages_N = np.concatenate([self.ages_N, later.ages_N])
        order_N = np.argsort(-ages_N, kind="stable")
        item_ids = (*self.item_ids, *later.item_ids)
        return History(
            tuple(item_ids[at] for at in order_N.tolist()),
            ages_N[order_N],
            np.concatenate([self.weights_N, later.weights_N])[order_N],
        )
