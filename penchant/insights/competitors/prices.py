"""Price index: what a competitor asks for what our users buy, over what we ask.

Items are weighed by our pieces sold in the last year (a Laspeyres index), so that the price of what
nobody buys does not count; each item counts as one piece more, so that new ones count a little.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from penchant.artifacts.record import Interval
from penchant.insights.competitors.matching import Listing
from penchant.insights.intervals import RESAMPLES

Floats = npt.NDArray[np.float64]
MOST_RATIO = 5.0  # of two prices; beyond it they are of different packs


def price_rows(
    competitor: str,
    pairs: Sequence[tuple[Listing, Listing]],
    pieces: dict[str, float],
) -> list[dict[str, Any]]:
    """A row per first category level of ours and one for all, which has no category.

    ``pairs``: their item and ours. ``pieces``: sold by us, by item.
    """
    groups: defaultdict[str | None, list[tuple[float, float, float]]] = defaultdict(list)
    for theirs, ours in pairs:
        if theirs.price and ours.price and _comparable(theirs.price / ours.price):
            row = (theirs.price, ours.price, 1 + pieces.get(ours.item_id, 0.0))
            groups[None].append(row)
            if ours.category is not None:
                groups[ours.category].append(row)
    return [
        {
            "competitor": competitor,
            "category": category,
            "items": len(rows),
            "cheaper": float(np.mean([theirs < ours for theirs, ours, _ in rows])),
            **price_index(np.array(rows)),
        }
        for category, rows in sorted(groups.items(), key=lambda pair: pair[0] or "")
    ]


def price_index(rows_I3: Floats) -> Interval:
    """With its 95 % bootstrap interval over items. Columns: their price, ours, our pieces."""
    random = np.random.default_rng(0)
    drawn = random.integers(0, len(rows_I3), (RESAMPLES, len(rows_I3)))
    low, high = np.quantile([_index(rows_I3[rows]) for rows in drawn], [0.025, 0.975])
    return {"mean": _index(rows_I3), "low": float(low), "high": float(high)}


def _index(rows_I3: Floats) -> float:
    theirs_I, ours_I, pieces_I = rows_I3.T
    return float((theirs_I * pieces_I).sum() / (ours_I * pieces_I).sum())


def _comparable(ratio: float) -> bool:
    return 1 / MOST_RATIO <= ratio <= MOST_RATIO
