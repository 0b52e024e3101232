"""Filters: a mask over all items of the snapshot."""

import numpy as np

from penchant.errors import UsageError
from penchant.releases.item_arrays import BoolArray, Items
from penchant.releases.opened import OpenRelease
from penchant.releases.release import RECENT_ITEMS
from penchant.serving.recommending.options import RecommendOptions
from penchant.serving.recommending.user_state import UserState


def allowed(
    opened: OpenRelease, items: Items, user: UserState, options: RecommendOptions
) -> BoolArray | None:
    """allowed_I; None where no filter is set.

    An item without a price passes no price filter. Raises UsageError for an unknown category, and
    for ``exclude_bought`` on a release without purchases.
    """
    excluded = {*options.exclude, *([options.page_item] if options.page_item else [])}
    if options.exclude_bought:
        if not opened.release.has(RECENT_ITEMS):
            raise UsageError(
                f"exclude_bought: release {opened.release.id} has no purchases",
                f"run `penchant publish --snapshot {opened.release.snapshot_id}` again",
            )
        excluded |= user.bought(opened)
    if not excluded and not options.narrow:
        return None
    allowed_I = np.ones(len(items), bool)
    if options.category is not None:
        allowed_I &= items.within(options.category)
    if options.price_min is not None:
        allowed_I &= items.prices_I >= options.price_min  # False for NaN
    if options.price_max is not None:
        allowed_I &= items.prices_I <= options.price_max
    rows = items.ids.rows(sorted(excluded))
    allowed_I[rows[rows >= 0]] = False
    return allowed_I
