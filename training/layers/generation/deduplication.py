"""What families that make histories up share: the frame of visits that they fill with items, and
that nobody's own history comes out.

A history is known by a hash of its items in their order. What is kept of the training data beside
the rhythm is these hashes alone.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from penchant.errors import DataError
from training.data.histories import Histories, IntArray, joined
from training.layers.generation.temporal_profile import Rhythm, Schedule

TRIES = 50
PREFIX = "frame."
State = dict[str, torch.Tensor]

Fill = Callable[[Schedule, torch.Generator], torch.Tensor]
"""Draws the items_N of a schedule's events."""


@dataclass(frozen=True)
class Frame:
    """``known_F``: fingerprints of the histories that were learned from."""

    rhythm: Rhythm
    known_F: IntArray

    @classmethod
    def of(cls, train: Histories) -> "Frame":
        known = train.take(np.flatnonzero(train.lengths_U))
        return cls(Rhythm.of(known), np.unique(fingerprints(known)))

    @torch.no_grad()
    def filled(self, fill: Fill, count: int, seed: int) -> tuple[Histories, int]:
        """Histories of ``count`` users who do not exist, and how many more were drawn and
        rejected because they were somebody's.

        Raises DataError when there are none to be found: a catalogue so small that all there could
        be is somebody's.
        """
        random = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed)

        def drawn(missing: int) -> Histories:
            schedule = self.rhythm.draw(missing, random)
            items_N = fill(schedule, generator).numpy().astype(np.int32)
            return self.rhythm.histories(schedule, items_N)

        made = drawn(count)
        rejected = 0
        for _ in range(TRIES):
            copied_B = np.isin(fingerprints(made), self.known_F)
            copies = int(copied_B.sum())
            if not copies:
                return made, rejected
            rejected += copies
            made = joined(made.take(np.flatnonzero(~copied_B)), drawn(copies))
        raise DataError(
            f"{copies} of {count} made-up histories were a real user's, however often drawn",
            "generate from data of more items or of longer histories",
        )

    def state(self) -> State:
        own = self.rhythm.state() | {"known_F": torch.from_numpy(self.known_F)}
        return {f"{PREFIX}{name}": tensor for name, tensor in own.items()}

    @classmethod
    def load(cls, state: State) -> "Frame":
        """From the state of the family that it is of."""
        own = {name.removeprefix(PREFIX): state[name] for name in state if name.startswith(PREFIX)}
        return cls(Rhythm.load(own), own["known_F"].numpy())


def without_frame(state: State) -> State:
    """The rest of a family's state."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(PREFIX)}


def fingerprints(histories: Histories) -> IntArray:
    """fingerprint_U of what each user did in which order, whenever it was."""
    items_N, starts_U1 = histories.items_N.astype(np.int32), histories.starts_U1
    digests = (
        hashlib.blake2b(items_N[first:past].tobytes(), digest_size=8).digest()
        for first, past in pairwise(starts_U1)
    )
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)
