"""A user's segment: how many users are like this one, what they are interested in and what they
would be recommended together."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from penchant.errors import UnknownId, UsageError
from penchant.releases.opened import OpenRelease
from penchant.releases.release import USER_SEGMENTS
from penchant.serving.recommending.candidates import nearest

SEGMENT_FEATURES = ["user_portrait:interests"]
"""What segments are named and described by."""
SAMPLED = 1000  # members whose vectors are averaged: the first in the order of ids


@dataclass(frozen=True)
class SegmentItem:
    """``score``: dot product with the mean vector of the segment."""

    item_id: str
    title: str
    category: str | None
    price: float | None
    score: float


@dataclass(frozen=True)
class UserSegment:
    """``users``: in the segment. ``interests``: those they have more of than others."""

    release_id: str
    snapshot_id: str
    segment: str
    users: int
    interests: tuple[str, ...]
    items: tuple[SegmentItem, ...]


def segment_of(opened: OpenRelease, user_id: str, k: int) -> UserSegment:
    """The segment of a user, with ``k`` items for it. Raises UnknownId for a user without one, and
    UsageError where popularity serves, which has no segments."""
    release = opened.release
    if not release.has(USER_SEGMENTS):
        raise UsageError(
            f"release {release.id} has no segments: popularity serves",
            "see `penchant status` for why no family with vectors was selected",
        )
    row = opened.row(USER_SEGMENTS, user_id)
    if row is None:
        raise UnknownId(
            f"unknown user {user_id!r} in release {release.id}",
            "pass the user_id of the source; users without events have no segment",
        )
    described = next(each for each in release.manifest.segments if each.name == row["segment"])
    return UserSegment(
        release.id,
        release.snapshot_id,
        described.name,
        described.users,
        described.interests,
        _items(opened, described.name, k),
    )


def _items(opened: OpenRelease, segment: str, k: int) -> tuple[SegmentItem, ...]:
    rows, vectors = opened.rows(USER_SEGMENTS), opened.rows(opened.release.user_vectors)
    places = pc.indices_nonzero(pc.equal(rows.table["segment"], segment)).to_pylist()[:SAMPLED]
    ids = rows.table["user_id"].take(places).to_pylist()
    found = [row for user_id in ids if (row := vectors.row(user_id)) is not None]
    mean_D = np.mean([opened.release.user_vector(row) for row in found], axis=0)
    items = opened.items
    best = nearest(opened, items, mean_D, None, k)
    names = items.ids.names(best.items_C)
    return tuple(
        SegmentItem(item_id, fact.title, fact.category, fact.price, float(score))
        for item_id, fact, score in zip(names, opened.facts_of(names), best.scores_C, strict=True)
    )
