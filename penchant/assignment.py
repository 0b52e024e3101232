"""Which arm of an experiment a shopper is in: by hash, so that every reader says the same, and for
as long as the experiment runs.

The id of the experiment salts the hash: who is in which arm of one says nothing about another.
"""

import hashlib
from collections.abc import Mapping

from penchant.errors import UsageError

HASH_BITS = 64


def arm_of(experiment_id: str, user_id: str, shares: Mapping[str, float]) -> str:
    """The arm of a shopper. ``shares``: each arm's share of shoppers, in a fixed order, summing to
    one. Raises UsageError for shares that do not."""
    check_shares(shares)
    digest = hashlib.sha256(f"{experiment_id}\0{user_id}".encode()).digest()
    place = int.from_bytes(digest[: HASH_BITS // 8], "big") / 2**HASH_BITS
    below = 0.0
    for arm, share in shares.items():
        below += share
        if place < below:
            return arm
    return arm  # where the shares' sum was rounded down


def check_shares(shares: Mapping[str, float]) -> None:
    """Raise UsageError unless there are two arms or more, each of a share, all summing to one."""
    if len(shares) < 2 or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise UsageError(
            f"shares of arms are {dict(shares)}", "give two or more, each above 0, summing to 1"
        )
