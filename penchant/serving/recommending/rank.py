"""Ranks a shop's own candidates for a user, by relevance and by fields that the request brings.

Relevance is the order in which the same candidates would be recommended. Each weighted field ranks
them too: a positive weight puts great values first, a negative one small values. Both are fused by
reciprocal rank (Cormack, Clarke & Büttcher 2009): ranks need no common scale, and the score is a
sum, so that each term explains its share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

import numpy as np

from penchant.releases.item_arrays import IntArray
from penchant.releases.opened import OpenRelease
from penchant.serving.recommending.candidates import Candidates, find_candidates, reciprocal
from penchant.serving.recommending.new_candidates import with_new_items
from penchant.serving.recommending.new_items import NewItems
from penchant.serving.recommending.options import DEFAULT_OPTIONS
from penchant.serving.recommending.page_item import with_page_item
from penchant.serving.recommending.recommendation import Recommendation
from penchant.serving.recommending.recommender import explained, origin_of, recommended_items
from penchant.serving.recommending.slate_selection import FloatArray, Slate, SlateCandidates
from penchant.serving.recommending.user_state import UserState, UserStates

RELEVANCE = "relevance"
UNKNOWN = "unknown"
"""The source of an item that no other source has: behind all others, in the request's order."""


@dataclass(frozen=True)
class RankCandidate:
    """``fields``: numbers of this request, such as a margin or a stock."""

    item_id: str
    fields: Mapping[str, float]


@dataclass(frozen=True)
class RankOptions:
    """``weights``: of fields; 1 weighs as much as relevance."""

    weights: Mapping[str, float]
    page_item: str | None = None
    reasons: bool = False


@dataclass(frozen=True)
class Contribution:
    """A term of a score. ``rank``: from 1 in the order by this name; None without a value, which
    adds nothing."""

    name: str
    value: float | None
    rank: int | None
    contribution: float


@dataclass(frozen=True)
class RankedItem:
    item_id: str
    score: float
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True)
class Ranking:
    """``items``: the first ``k``, best first. ``answer``: those of the catalogue, for the log and
    with reasons. ``unknown``: candidates that the catalogue lacks."""

    items: tuple[RankedItem, ...]
    answer: Recommendation
    unknown: tuple[str, ...]


def rank(
    opened: OpenRelease,
    new: NewItems,
    users: UserStates,
    user_id: str,
    candidates: Sequence[RankCandidate],
    k: int,
    options: RankOptions,
) -> Ranking:
    """The ``k`` best candidates. ``candidates``: each item once. ``new``: items that the release
    lacks."""
    ids = [each.item_id for each in candidates]
    user = users.of(opened, user_id)
    new = NewItems(tuple(each for each in new.items if each.item_id in ids))
    by_relevance = _by_relevance(opened, user, new, ids, options)
    place_of = {item_id: place for place, item_id in enumerate(by_relevance.item_ids)}
    places = np.array([place_of.get(item_id, -1) for item_id in ids], np.int64)
    terms = [_relevance_term(by_relevance, places)]
    for name, weight in options.weights.items():
        values = np.array([each.fields.get(name, np.nan) for each in candidates], np.float64)
        terms.append((name, values, _ranks(values, weight), abs(weight)))
    scores = np.zeros(len(ids))
    for _, _, ranks, weight in terms:
        scores += weight * _fused(ranks)
    best = np.lexsort((np.where(places < 0, len(ids), places), -scores))[:k].tolist()
    ranked = tuple(
        RankedItem(ids[at], float(scores[at]), tuple(_contribution(*term, at) for term in terms))
        for at in best
    )
    known = [place_of[ids[at]] for at in best if ids[at] in place_of]
    answer = _answer(opened, user_id, by_relevance, known, options, new)
    if options.reasons:
        answer = explained(opened, users, user, answer)
    return Ranking(ranked, answer, tuple(each for each in ids if each not in place_of))


def _by_relevance(
    opened: OpenRelease,
    user: UserState,
    new: NewItems,
    ids: Sequence[str],
    options: RankOptions,
) -> SlateCandidates:
    """The candidates of the catalogue in the order in which they would be recommended."""
    items = opened.items
    rows = items.ids.rows(ids)
    rows = rows[rows >= 0]
    allowed_I = np.zeros(len(items), bool)
    allowed_I[rows] = True
    found = find_candidates(opened, items, user, allowed_I, len(rows))
    if options.page_item:
        found = with_page_item(opened, items, found, options.page_item, allowed_I, len(rows))
    found = found.then(Candidates.by(UNKNOWN, rows, np.zeros(len(rows))))
    listed = SlateCandidates(items.ids.names(found.items_C), found.scores_C, found.sources)
    return with_new_items(listed, items, new, user, DEFAULT_OPTIONS)


Term = tuple[str, FloatArray, FloatArray, float]
"""A name, the candidates' values and ranks from 0, NaN for none, and the weight."""


def _relevance_term(by_relevance: SlateCandidates, places: IntArray) -> Term:
    known = np.array([source != UNKNOWN for source in by_relevance.sources], bool)
    ranks = np.where(known, np.arange(len(by_relevance)), np.nan)
    scores = np.where(known, by_relevance.scores_C, np.nan)
    absent = places < 0
    take = np.where(absent, 0, places)
    if not len(by_relevance):
        nothing = np.full(len(places), np.nan)
        return RELEVANCE, nothing, nothing, 1.0
    return (
        RELEVANCE,
        np.where(absent, np.nan, scores[take]),
        np.where(absent, np.nan, ranks[take]),
        1.0,
    )


def _ranks(values: FloatArray, weight: float) -> FloatArray:
    """From 0 for the best; equal values share the best of their ranks."""
    signed = -values if weight > 0 else values
    ordered = np.sort(signed[~np.isnan(signed)])
    return np.where(np.isnan(signed), np.nan, np.searchsorted(ordered, signed))


def _fused(ranks: FloatArray) -> FloatArray:
    """What each rank adds; nothing where there is none."""
    return np.nan_to_num(reciprocal(ranks))


def _contribution(
    name: str, values: FloatArray, ranks: FloatArray, weight: float, at: int
) -> Contribution:
    if np.isnan(ranks[at]):
        return Contribution(name, None, None, 0.0)
    added = weight * float(_fused(ranks[at : at + 1])[0])
    return Contribution(name, float(values[at]), int(ranks[at]) + 1, added)


def _answer(
    opened: OpenRelease,
    user_id: str,
    candidates: SlateCandidates,
    places: Sequence[int],
    options: RankOptions,
    new: NewItems,
) -> Recommendation:
    origin = origin_of(opened, candidates)
    slate = Slate(tuple(places), (1.0,) * len(places), _policy(options))
    release = opened.release
    return Recommendation(
        user_id,
        origin,
        release.id,
        release.snapshot_id,
        recommended_items(opened, candidates, slate, new),
        candidates,
        slate,
        str(uuid4()),
    )


def _policy(options: RankOptions) -> str:
    """What impressions are logged with: the order is the request's own where it weighs fields."""
    return "rank-by-fields" if options.weights else "rank"
