"""Candidates of a request: the lists of every source, merged in turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from penchant.artifacts.ranking_model import EVERYBODY, SourceKey
from penchant.releases.item_arrays import BoolArray, FloatArray64, IntArray
from penchant.releases.opened import OpenRelease
from penchant.releases.ranking_files import OWN_SOURCES, RankingFiles
from penchant.releases.release import RECENT_ITEMS, USER_SEGMENTS
from penchant.serving.recommending.candidates import nearest
from penchant.serving.recommending.user_state import UserState

LAST_ITEMS = 10  # of the user, whose co-occurring items are candidates
NEAREST = 100  # items by the user's vector, where it has fresh events in it
VECTOR = "user_vector"
PERSONAL = ("user", "item")


@dataclass(frozen=True)
class SourceList:
    """What one source found, best first, each item once. ``ranks_L``: from 1, among all that it
    found, also those that are not allowed. ``most``: the last rank of a candidate. ``personal``:
    made for this user."""

    source: str
    items_L: IntArray
    scores_L: FloatArray64
    ranks_L: IntArray
    personal: bool
    most: int

    @classmethod
    def of(
        cls,
        source: str,
        items_L: IntArray,
        scores_L: FloatArray64,
        personal: bool,
        most: int | None = None,
    ) -> "SourceList":
        ranks_L = np.arange(1, len(items_L) + 1)
        return cls(source, items_L, scores_L, ranks_L, personal, most or len(items_L))

    @cached_property
    def candidates_L(self) -> IntArray:
        """The items that are candidates."""
        return self.items_L[: int(np.searchsorted(self.ranks_L, self.most, "right"))]

    def passing(self, allowed_I: BoolArray | None) -> "SourceList":
        if allowed_I is None:
            return self
        kept_L = allowed_I[self.items_L]
        return SourceList(
            self.source,
            self.items_L[kept_L],
            self.scores_L[kept_L],
            self.ranks_L[kept_L],
            self.personal,
            self.most,
        )


@dataclass(frozen=True)
class Merged:
    """``items_C``: each once. ``source_C``: the place in ``found`` of the source that found it
    first."""

    items_C: IntArray
    source_C: IntArray
    found: tuple[SourceList, ...]


def find(
    opened: OpenRelease,
    files: RankingFiles,
    user: UserState,
    allowed_I: BoolArray | None,
    explore: bool = False,
) -> list[SourceList]:
    """The allowed items of every source, in the order of the sources; empty ones are left out.

    The model's sources find what it was trained and evaluated on. Those of the release itself and
    the user's vector join them for what these lists can't know: events since, and, with
    ``explore``, items that nobody bought yet.
    """
    beyond = explore or bool(user.events_since)
    found = []
    for source, key in files.keys.items():
        if source in OWN_SOURCES and not beyond:
            continue
        items_L, scores_L = files.lists[source].of(_keys(opened, user, key))
        if key == "item":
            items_L, scores_L = _summed(items_L, scores_L)
        personal, most = key in PERSONAL, files.candidates.get(source)
        found.append(SourceList.of(source, items_L, scores_L, personal, most))
    if user.folded_in and user.vector_D is not None:
        near = nearest(opened, opened.items, user.vector_D, allowed_I, NEAREST)
        found.append(SourceList.of(VECTOR, near.items_C, near.scores_C, personal=True))
    passing = (each.passing(allowed_I) for each in found)
    return [each for each in passing if len(each.candidates_L)]


def merge(found: Sequence[SourceList], most: int) -> Merged:
    """The first of every source, then the second of every source and so on, ``most`` in all."""
    proposed = [each.candidates_L for each in found]
    lengths = [len(items_L) for items_L in proposed]
    items_N = np.concatenate(proposed)
    source_N = np.repeat(np.arange(len(found)), lengths)
    rank_N = np.concatenate([np.arange(length) for length in lengths])
    order_N = np.lexsort((source_N, rank_N))
    _, first_U = np.unique(items_N[order_N], return_index=True)
    kept_C = order_N[np.sort(first_U)[:most]]
    return Merged(items_N[kept_C], source_N[kept_C], tuple(found))


def listed(merged: Merged, sources: Sequence[str]) -> FloatArray64:
    """listed_LC: for each of the named sources the scores, then the ranks of the candidates on its
    list; NaN where they are not on it."""
    items_C = merged.items_C
    listed_LC = np.full((2 * len(sources), len(items_C)), np.nan)
    row_of = {source: 2 * place for place, source in enumerate(sources)}
    found = [each for each in merged.found if each.source in row_of]
    if not found:
        return listed_LC
    items_N = np.concatenate([each.items_L for each in found])
    lengths = [len(each.items_L) for each in found]
    row_N = np.repeat([row_of[each.source] for each in found], lengths)
    order_C = np.argsort(items_C)
    place_N = np.searchsorted(items_C, items_N, sorter=order_C)
    candidate_N = order_C[np.minimum(place_N, len(items_C) - 1)]
    there_N = np.flatnonzero(items_C[candidate_N] == items_N)
    row_N, candidate_N = row_N[there_N], candidate_N[there_N]
    listed_LC[row_N, candidate_N] = np.concatenate([each.scores_L for each in found])[there_N]
    listed_LC[row_N + 1, candidate_N] = np.concatenate([each.ranks_L for each in found])[there_N]
    return listed_LC


def _summed(items_L: IntArray, scores_L: FloatArray64) -> tuple[IntArray, FloatArray64]:
    """Each item once with the sum of its scores, best first."""
    if not len(items_L):
        return items_L, scores_L
    unique_U, place_L = np.unique(items_L, return_inverse=True)
    sums_U = np.bincount(place_L, weights=scores_L).astype(np.float64)
    order_U = np.lexsort((unique_U, -sums_U))
    return unique_U[order_U], sums_U[order_U]


def _keys(opened: OpenRelease, user: UserState, key: SourceKey) -> list[str]:
    """The keys of the lists for a user."""
    if key == "user":
        return [user.user_id]
    if key == "item":
        return _last_items(opened, user)
    return _segment(opened, user) if key == "segment" else [EVERYBODY]


def _last_items(opened: OpenRelease, user: UserState) -> list[str]:
    """The last items of the user's events, fresh ones included, newest first."""
    known: list[str] = []
    if opened.release.has(RECENT_ITEMS):
        rows = opened.rows(RECENT_ITEMS)
        at = rows.position(user.user_id)
        if at is not None:
            known = rows.table["item_ids"][at].as_py()
    fresh = [event.item_id for event in user.events_since if event.item_id]
    return list(dict.fromkeys(reversed(known + fresh)))[:LAST_ITEMS]


def _segment(opened: OpenRelease, user: UserState) -> list[str]:
    if not opened.release.has(USER_SEGMENTS):
        return []
    row = opened.row(USER_SEGMENTS, user.user_id)
    return [row["segment"]] if row else []
