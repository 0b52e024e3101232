"""A hash of each user's history, by which what was computed of it is found again."""

import hashlib
from itertools import pairwise

import numpy as np

from training.data.histories import Histories


def fingerprints(histories: Histories) -> list[bytes]:
    """A hash of each user, with its events of every type, and of the moment."""
    every, end = histories.every_type(), histories.end.to_bytes(8, "big", signed=True)
    arrays = (every.items_N, every.times_N, every.weights_N, every.places_N)
    found = []
    events = pairwise(every.starts_U1.tolist())
    for user, (first, past) in zip(histories.users_U.tolist(), events, strict=True):
        digest = hashlib.blake2b(end + user.to_bytes(8, "big", signed=True), digest_size=16)
        for array_N in arrays:
            digest.update(np.ascontiguousarray(array_N[first:past]).data)
        found.append(digest.digest())
    return found
