"""One request for recommendations, on one release: every step in its order."""

from dataclasses import dataclass, replace
from uuid import uuid4

import numpy as np

from penchant.releases.opened import OpenRelease
from penchant.serving.recommending.candidates import BOTH, PRIOR, RANKER, RETRIEVER, find
from penchant.serving.recommending.filtering import allowed
from penchant.serving.recommending.mmr import spread
from penchant.serving.recommending.options import RecommendOptions
from penchant.serving.recommending.reasons import reasons
from penchant.serving.recommending.recommendation import Recommendation, RecommendedItem
from penchant.serving.recommending.slate_selection import Candidates, InOrder, Picker, Slate
from penchant.serving.recommending.user_state import AS_PUBLISHED, UserState, UserStates

DIVERSE = 3  # times as many candidates as are shown, where they are to be spread


@dataclass(frozen=True)
class Recommender:
    """``picker``: what chooses slates; None shows the order as it is. ``users``: who knows what
    a user did."""

    picker: Picker | None = None
    users: UserStates = AS_PUBLISHED

    def recommend(
        self,
        opened: OpenRelease,
        user_id: str,
        k: int,
        options: RecommendOptions,
        slate_id: str | None = None,
    ) -> Recommendation:
        """At most ``k`` items; fewer where fewer pass the filters. ``slate_id``: of the answer, by
        which the same release and policy give it again; a new one where it is left out. Raises
        UsageError for a wish that this shop's data can't grant."""
        items = opened.items
        user = self.users.of(opened, user_id)
        allowed_I = allowed(opened, items, user, options)
        spreading = DIVERSE * k if options.diversity else 0
        wanted = max(k, spreading, self.picker.wanted(k) if self.picker else 0)
        found = find(opened, items, user, allowed_I, wanted)
        if spreading:  # among the best: what comes after them stays behind them
            places = spread(items, found.items_C[:spreading], options.diversity)
            found = found.take(np.append(places, np.arange(len(places), len(found))))
        candidates = Candidates(items.ids.names(found.items_C), found.scores_C, found.sources)
        origin = _origin(opened, candidates)
        slate_id = slate_id or str(uuid4())
        picker = self.picker or InOrder(origin)
        slate = picker.pick(user_id, candidates, k, slate_id, opened.release.path)
        answer = Recommendation(
            user_id,
            origin,
            opened.release.id,
            opened.release.snapshot_id,
            recommended_items(opened, candidates, slate),
            candidates,
            slate,
            slate_id,
        )
        return self._explained(opened, user, answer) if options.reasons else answer

    def _explained(
        self, opened: OpenRelease, user: UserState, answer: Recommendation
    ) -> Recommendation:
        fold_in = opened.fold_in
        if fold_in is None:
            withheld = "popularity serves: it looks at no user's history"
            if opened.release.has_vectors:
                withheld = (
                    f"the family {opened.family('retriever')} left no encoder here, "
                    "so nothing can be scored again without an item"
                )
            return replace(answer, reasons_withheld=withheld)
        history = self.users.history(opened, fold_in, answer.asked)
        if not len(history):
            return replace(answer, reasons_withheld="nothing is known of this user")
        ids = [item.item_id for item in answer.items]
        found = reasons(opened, opened.items, fold_in, user, history, ids)
        explained = (
            replace(item, reason=reason) for item, reason in zip(answer.items, found, strict=True)
        )
        return replace(answer, items=tuple(explained), reasons_by=opened.family("retriever"))


def _origin(opened: OpenRelease, candidates: Candidates) -> str:
    """What ranked the first, which is what ranks most."""
    first = candidates.sources[0] if len(candidates) else PRIOR
    if first == RANKER:
        return f"ranker {opened.family('ranker')}"
    if first == RETRIEVER:
        return f"retriever {opened.family('retriever')}"
    if first == BOTH:
        return f"ranker {opened.family('ranker')} and retriever {opened.family('retriever')}"
    return "popularity prior"


def recommended_items(
    opened: OpenRelease, candidates: Candidates, slate: Slate
) -> tuple[RecommendedItem, ...]:
    """What an answer says of a slate's picks, in their order."""
    ids = [candidates.item_ids[place] for place in slate.places]
    return tuple(
        RecommendedItem(
            item_id,
            fact.title,
            fact.category,
            fact.price,
            float(candidates.scores_C[place]),
            candidates.sources[place],
            propensity,
        )
        for item_id, fact, place, propensity in zip(
            ids, opened.facts_of(ids), slate.places, slate.propensities, strict=True
        )
    )
