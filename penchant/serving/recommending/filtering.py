"""What must not be shown, whatever ranks it: as one mask over all items of the snapshot."""

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
    """allowed_I; None where nothing was wished for, so all are.

    An item without a price passes no filter of prices. Raises UsageError for a category that no
    item is in, and for what the shop's data does not tell: what is in stock, or what was bought in
    a release from before that was published.
    """
    out = set(options.exclude)
    if options.exclude_bought:
        if not opened.release.has(RECENT_ITEMS):
            raise UsageError(
                f"release {opened.release.id} does not tell what was bought",
                f"`penchant publish --snapshot {opened.release.snapshot_id}` publishes it anew",
            )
        out |= user.bought(opened)
    if not out and not options.narrow:
        return None
    allowed_I = np.ones(len(items), bool)
    if options.category is not None:
        allowed_I &= items.within(options.category)
    if options.price_min is not None:
        allowed_I &= items.prices_I >= options.price_min  # False of NaN
    if options.price_max is not None:
        allowed_I &= items.prices_I <= options.price_max
    rows = items.ids.rows(sorted(out))
    allowed_I[rows[rows >= 0]] = False
    return allowed_I
