"""Items similar to an item: the nearest by cosine of item vectors, new items among them."""

import numpy as np

from penchant.errors import UnknownId, UsageError
from penchant.releases.hnsw_index import unit
from penchant.releases.item_arrays import Items
from penchant.releases.opened import OpenRelease
from penchant.serving.recommending.new_items import NewItems
from penchant.vectors import FloatArray

Scored = list[tuple[str, float]]
"""Ids and cosines, best first."""


def similar_items(
    opened: OpenRelease, new: NewItems, item_id: str, k: int, category: str | None
) -> Scored:
    """At most ``k`` items, within a category path. Raises UnknownId for an unknown item, UsageError
    for one without a vector, for an unknown category and where popularity serves."""
    release = opened.release
    if opened.nearest is None:
        raise UsageError(
            f"release {release.id} has no item vectors: popularity serves",
            "see `penchant status` for why no family with vectors was selected",
        )
    vector_D = _vector(opened, new, item_id)
    near = (
        opened.nearest.search(vector_D, k + 1)
        if category is None
        else _nearest_within(opened.items, vector_D, category, k + 1)
    )
    near += new.cosines(vector_D, category)
    near.sort(key=lambda each: -each[1])
    return [(each, cosine) for each, cosine in near if each != item_id][:k]


def _vector(opened: OpenRelease, new: NewItems, item_id: str) -> FloatArray:
    release = opened.release
    row = opened.row(release.item_vectors, item_id)
    if row is not None:
        return release.item_vector(row)
    sent = new.get(item_id)
    if sent is not None and sent.vector_D is not None:
        return sent.vector_D
    if sent is None and opened.facts.position(item_id) is None:
        raise UnknownId(
            f"unknown item {item_id!r} in snapshot {release.snapshot_id}",
            "pass the item_id of the source, such as those that an answer has",
        )
    raise UsageError(
        f"item {item_id!r} has no vector in release {release.id}",
        "pass an item that enough users interacted with: rare items have no vector",
    )


def _nearest_within(items: Items, vector_D: FloatArray, category: str, k: int) -> Scored:
    rows_V = np.flatnonzero(items.within(category)[items.item_V])
    cosines_V = unit(items.vectors_VD[rows_V]) @ unit(vector_D)
    best = np.lexsort((rows_V, -cosines_V))[:k]
    names = items.ids.names(items.item_V[rows_V[best]])
    return list(zip(names, cosines_V[best].tolist(), strict=True))
