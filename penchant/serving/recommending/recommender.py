"""One request for recommendations on one release: all steps, in order."""

from dataclasses import dataclass, replace
from uuid import uuid4

from penchant.releases.opened import OpenRelease
from penchant.serving.recommending.candidates import (
    BOTH,
    PRIOR,
    RANKER,
    RETRIEVER,
    find_candidates,
)
from penchant.serving.recommending.filtering import allowed
from penchant.serving.recommending.new_candidates import with_new_items
from penchant.serving.recommending.new_items import CATALOGUE_ONLY, NONE, NewItems, NewItemSource
from penchant.serving.recommending.options import RecommendOptions
from penchant.serving.recommending.page_item import PAGE, with_page_item
from penchant.serving.recommending.ranking_stage import PRECOMPUTED, RankingStage
from penchant.serving.recommending.reasons import reasons
from penchant.serving.recommending.recommendation import Recommendation, RecommendedItem
from penchant.serving.recommending.reranking import candidates_needed, rerank
from penchant.serving.recommending.slate_selection import (
    Slate,
    SlateCandidates,
    SlateSelector,
    TopK,
)
from penchant.serving.recommending.user_state import PUBLISHED_ONLY, UserState, UserStates


@dataclass(frozen=True)
class Recommender:
    """``selector``: selects slates; None shows the candidates in order. ``users`` and
    ``new_items``: the sources of user states and of items that the release lacks. ``ranking``: the
    ranking stage."""

    selector: SlateSelector | None = None
    users: UserStates = PUBLISHED_ONLY
    new_items: NewItemSource = CATALOGUE_ONLY
    ranking: RankingStage = PRECOMPUTED

    def recommend(
        self,
        opened: OpenRelease,
        user_id: str,
        k: int,
        options: RecommendOptions,
        slate_id: str | None = None,
        users: UserStates | None = None,
    ) -> Recommendation:
        """At most ``k`` items; fewer where fewer pass the filters.

        ``slate_id``: the same id with the same release and policy gives the same slate; a new one
        by default. ``users``: of this request, such as with events that it brings.
        Raises UsageError for an option that the shop's data doesn't support.
        """
        items = opened.items
        users = users or self.users
        user = users.of(opened, user_id)
        allowed_I = allowed(opened, items, user, options)
        selectable = max(k, self.selector.candidates_needed(k) if self.selector else 0)
        needed = max(selectable, candidates_needed(k, options.diversity))
        ranked = self.ranking.rank(opened, user, allowed_I)
        found = ranked.candidates
        if found is None:
            found = find_candidates(opened, items, user, allowed_I, needed)
        elif len(found) < needed:
            found = found.then(find_candidates(opened, items, user, allowed_I, needed + len(found)))
        if options.page_item:
            found = with_page_item(opened, items, found, options.page_item, allowed_I, needed)
        found = rerank(items, found, k, options.diversity, selectable)
        candidates = SlateCandidates(items.ids.names(found.items_C), found.scores_C, found.sources)
        origin = origin_of(opened, candidates)
        if ranked.candidates is not None and origin != PAGE:
            origin = f"ranker {opened.family('ranker')}"
        new = self.new_items.beside(opened)
        candidates = with_new_items(candidates, items, new, user, options)
        slate_id = slate_id or str(uuid4())
        selector = self.selector or TopK(origin)
        slate = selector.select(user_id, candidates, k, slate_id, opened.release.path)
        answer = Recommendation(
            user_id,
            origin,
            opened.release.id,
            opened.release.snapshot_id,
            recommended_items(opened, candidates, slate, new),
            candidates,
            slate,
            slate_id,
            ranked_by="precomputed" if ranked.candidates is None else "ranking_model",
            fallback=ranked.fallback,
        )
        return explained(opened, users, user, answer) if options.reasons else answer


def origin_of(opened: OpenRelease, candidates: SlateCandidates) -> str:
    """What ranked the first candidate."""
    first = candidates.sources[0] if len(candidates) else PRIOR
    if first == RANKER:
        return f"ranker {opened.family('ranker')}"
    if first == RETRIEVER:
        return f"retriever {opened.family('retriever')}"
    if first == BOTH:
        return f"ranker {opened.family('ranker')} and retriever {opened.family('retriever')}"
    return PAGE if first == PAGE else "popularity prior"


def recommended_items(
    opened: OpenRelease, candidates: SlateCandidates, slate: Slate, new: NewItems = NONE
) -> tuple[RecommendedItem, ...]:
    """The items of a slate, in order. ``new``: those that the release lacks."""
    ids = [candidates.item_ids[action] for action in slate.actions]
    return tuple(
        RecommendedItem(
            item_id,
            fact.title,
            fact.category,
            fact.price,
            float(candidates.scores_C[action]),
            candidates.sources[action],
            propensity,
        )
        for item_id, fact, action, propensity in zip(
            ids, new.facts_of(opened, ids), slate.actions, slate.propensities, strict=True
        )
    )


def explained(
    opened: OpenRelease, users: UserStates, user: UserState, answer: Recommendation
) -> Recommendation:
    """The answer with reasons, or with why there are none."""
    fold_in = opened.fold_in
    if fold_in is None:
        withheld = "popularity serves, which doesn't depend on the user's history"
        if opened.release.has_vectors:
            withheld = (
                f"the family {opened.family('retriever')} has no encoder in this release, so "
                "items can't be scored without a part of the history"
            )
        return replace(answer, reasons_withheld=withheld)
    history = users.history(opened, fold_in, answer.user_id)
    if not len(history):
        return replace(answer, reasons_withheld="unknown user: there is no history")
    ids = [item.item_id for item in answer.items]
    found = reasons(opened, opened.items, fold_in, user, history, ids)
    explained = (
        replace(item, reason=reason) for item, reason in zip(answer.items, found, strict=True)
    )
    return replace(answer, items=tuple(explained), reasons_by=opened.family("retriever"))
