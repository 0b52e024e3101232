"""Sampling of synthetic histories, shared by the families that generate: temporal profile,
de-duplication against the training data.

A history is identified by a hash of its items in order. Only these hashes and the temporal profile
of the training data are kept.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from penchant.errors import DataError
from training.data.histories import Histories, IntArray, joined
from training.layers.generation.temporal_profile import Schedule, TemporalProfile

TRIES = 50
PREFIX = "sampler."
State = dict[str, torch.Tensor]

SampleItems = Callable[[Schedule, torch.Generator], torch.Tensor]
"""Samples the items_N of a schedule's events."""


@dataclass(frozen=True)
class HistorySampler:
    """``known_F``: fingerprints of the training histories."""

    profile: TemporalProfile
    known_F: IntArray

    @classmethod
    def of(cls, train: Histories) -> "HistorySampler":
        known = train.take(np.flatnonzero(train.lengths_U))
        return cls(TemporalProfile.of(known), np.unique(fingerprints(known)))

    @torch.no_grad()
    def generate(self, sample_items: SampleItems, count: int, seed: int) -> tuple[Histories, int]:
        """Histories of ``count`` synthetic users, and how many more were rejected as copies of a
        real history.

        Raises DataError when copies remain after TRIES attempts, as in a tiny catalogue.
        """
        random = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed)

        def sampled(missing: int) -> Histories:
            schedule = self.profile.sample(missing, random)
            items_N = sample_items(schedule, generator).numpy().astype(np.int32)
            return self.profile.histories(schedule, items_N)

        generated = sampled(count)
        rejected = 0
        for _ in range(TRIES):
            copied_B = np.isin(fingerprints(generated), self.known_F)
            copies = int(copied_B.sum())
            if not copies:
                return generated, rejected
            rejected += copies
            generated = joined(generated.take(np.flatnonzero(~copied_B)), sampled(copies))
        raise DataError(
            f"{copies} of {count} synthetic histories are copies of real ones after {TRIES} "
            "attempts",
            "train on data with more items or longer histories",
        )

    def state(self) -> State:
        own = self.profile.state() | {"known_F": torch.from_numpy(self.known_F)}
        return {f"{PREFIX}{name}": tensor for name, tensor in own.items()}

    @classmethod
    def load(cls, state: State) -> "HistorySampler":
        """From a family's state."""
        own = {name.removeprefix(PREFIX): state[name] for name in state if name.startswith(PREFIX)}
        return cls(TemporalProfile.load(own), own["known_F"].numpy())


def without_sampler(state: State) -> State:
    """A family's state without the sampler's part."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(PREFIX)}


def fingerprints(histories: Histories) -> IntArray:
    """fingerprint_U of each user's items in order, whatever their times."""
    items_N, starts_U1 = histories.items_N.astype(np.int32), histories.starts_U1
    digests = (
        hashlib.blake2b(items_N[first:past].tobytes(), digest_size=8).digest()
        for first, past in pairwise(starts_U1)
    )
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)
