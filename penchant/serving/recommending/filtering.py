"""What must not be shown, whatever ranks it: as one mask over all items of the snapshot."""

import numpy as np

from penchant.errors import UsageError
from penchant.serving.generations.generation import RECENT_ITEMS
from penchant.serving.generations.opened import OpenGeneration
from penchant.serving.recommending.items import BoolArray, Items
from penchant.serving.recommending.shopper import Shopper
from penchant.serving.recommending.wishes import Wishes


def allowed(
    opened: OpenGeneration, items: Items, shopper: Shopper, wishes: Wishes
) -> BoolArray | None:
    """allowed_I; None where nothing was wished for, so all are.

    An item without a price passes no filter of prices. Raises UsageError for a category that no
    item is in, and for what the shop's data does not tell: what is in stock, or what was bought in
    a generation from before that was published.
    """
    if wishes.in_stock:
        raise UsageError(
            "what is in stock is not known: no source of this shop tells it",
            "pass what is out of stock as exclude, an item each",
        )
    out = set(wishes.exclude)
    if wishes.exclude_bought:
        if not opened.generation.has(RECENT_ITEMS):
            raise UsageError(
                f"generation {opened.generation.id} does not tell what was bought",
                f"`penchant publish --snapshot {opened.generation.snapshot_id}` publishes it anew",
            )
        out |= shopper.bought(opened)
    if not out and not wishes.narrow:
        return None
    allowed_I = np.ones(len(items), bool)
    if wishes.category is not None:
        allowed_I &= items.within(wishes.category)
    if wishes.price_min is not None:
        allowed_I &= items.prices_I >= wishes.price_min  # False of NaN
    if wishes.price_max is not None:
        allowed_I &= items.prices_I <= wishes.price_max
    rows = items.ids.rows(sorted(out))
    allowed_I[rows[rows >= 0]] = False
    return allowed_I
