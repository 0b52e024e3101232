"""Places new items among the candidates of a request.

A new item has no place in the ranker's list, which is older. It goes where the retriever would rank
it: its rank is the number of items with a greater dot product with the user's vector, and ranks are
fused as those of other lists. For a user without a vector, new items only fill what is missing.
"""

from collections.abc import Collection

import numpy as np

from penchant.releases.item_arrays import Items
from penchant.serving.recommending.candidates import reciprocal
from penchant.serving.recommending.new_items import NewItem, NewItems, is_within
from penchant.serving.recommending.options import RecommendOptions
from penchant.serving.recommending.slate_selection import SlateCandidates
from penchant.serving.recommending.user_state import UserState

NEW = "new item"


def with_new_items(
    candidates: SlateCandidates,
    items: Items,
    new: NewItems,
    user: UserState,
    options: RecommendOptions,
) -> SlateCandidates:
    """The candidates with the new items that pass the filters; others keep their order."""
    excluded = {*options.exclude, options.page_item}
    if options.exclude_bought:
        excluded |= user.bought_since
    added = [each for each in new.items if _passes(each, options, excluded)]
    if not added:
        return candidates
    placed: list[tuple[float, str, float, str]] = [
        (float(score), item_id, float(shown), source)
        for score, item_id, shown, source in zip(
            reciprocal(np.arange(len(candidates))),
            candidates.item_ids,
            candidates.scores_C,
            candidates.sources,
            strict=True,
        )
    ]
    scores_V = None if user.vector_D is None else items.vectors_VD @ user.vector_D
    for each in added:
        if scores_V is None or user.vector_D is None or each.vector_D is None:
            placed.append((0.0, each.item_id, 0.0, NEW))
            continue
        score = float(each.vector_D @ user.vector_D)
        rank = np.array([(scores_V > score).sum()])
        placed.append((float(reciprocal(rank)[0]), each.item_id, score, NEW))
    placed.sort(key=lambda place: (-place[0], place[3] != NEW))  # it beats the one of its rank
    _, ids, scores, sources = zip(*placed, strict=True)
    return SlateCandidates(tuple(ids), np.array(scores), tuple(sources))


def _passes(item: NewItem, options: RecommendOptions, excluded: Collection[str | None]) -> bool:
    facts = item.facts
    if item.item_id in excluded:
        return False
    if not is_within(facts.path, options.category):
        return False
    price = facts.price
    if options.price_min is not None and (price is None or price < options.price_min):
        return False
    return options.price_max is None or (price is not None and price <= options.price_max)
