"""What a competitor sells and we do not, by how much our users are interested in it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from penchant.artifacts import Snapshot
from penchant.encryption.duckdb_connection import connect
from penchant.insights.competitors.matching import Listing, Similar

MOST_GAPS = 1000  # of a competitor
LEAST_SIMILAR = 0.1  # cosine to our item, to be of its category
LEAST_SHARE = 0.5  # of their category's items that are nearest to one of ours


def interest_by_category(snapshot: Snapshot, threads: int) -> dict[str, float]:
    """The share of our users' interests in each category path, in the portraits at ``as_of``; empty
    without portraits."""
    if not snapshot.mart("user_portrait").exists():
        return {}
    with connect(snapshot.path, config={"threads": threads}) as connection:
        rows = connection.execute(
            f"""
            WITH listed AS (
                SELECT user_id, unnest(interests) AS category, unnest(interest_weights) AS weight
                FROM {snapshot.counted("user_portrait")} WHERE feature_at = $as_of::TIMESTAMP
            )
            SELECT category, sum(weight) / (SELECT count(DISTINCT user_id) FROM listed)
            FROM listed GROUP BY category
            """,
            {"as_of": snapshot.as_of},
        ).fetchall()
    return dict(rows)


def gap_rows(
    competitor: str,
    theirs: Sequence[Listing],
    unmatched: Sequence[int],
    similar: Similar,
    paths: Sequence[tuple[str, ...]],
    interest: dict[str, float],
) -> list[dict[str, Any]]:
    """The unmatched items, those of most interest first.

    An item's category is that of our nearest items; its ``interest`` that of the deepest of the
    category's paths in portraits. ``score`` is the interest times the dissimilarity to the nearest
    of our items: a near twin of it is no gap. ``paths``: of each of our items, by level.
    """
    their_category = _their_categories(theirs, similar, paths)
    rows: list[dict[str, Any]] = []
    for place in unmatched:
        each = theirs[place]
        path = _category(similar, place, paths) or their_category.get(each.category or "", ())
        known = [interest[level] for level in path if level in interest]
        near = float(similar.cosine_TN[place].max(initial=0.0))
        rows.append(
            {
                "competitor": competitor,
                "item_id": each.item_id,
                "title": each.title,
                "brand": each.brand,
                "price": each.price,
                "category": path[-1] if path else None,
                "interest": known[-1] if known else 0.0,
                "score": (known[-1] if known else 0.0) * (1 - near),
            }
        )
    return sorted(rows, key=lambda row: (-row["score"], row["item_id"]))[:MOST_GAPS]


def _category(
    similar: Similar, place: int, paths: Sequence[tuple[str, ...]]
) -> tuple[str, ...] | None:
    """The path of our nearest items, by their summed cosines; None where none is near."""
    found: defaultdict[tuple[str, ...], float] = defaultdict(float)
    nearest = zip(similar.ours_TN[place].tolist(), similar.cosine_TN[place].tolist(), strict=True)
    for row, cosine in nearest:
        if cosine >= LEAST_SIMILAR and paths[row]:
            found[paths[row]] += cosine
    return max(found, key=lambda path: (found[path], path)) if found else None


def _their_categories(
    theirs: Sequence[Listing], similar: Similar, paths: Sequence[tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Our path that most items of each of their categories are nearest to, if one is."""
    counts: defaultdict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for place, each in enumerate(theirs):
        path = _category(similar, place, paths)
        if each.category and path:
            counts[each.category][path] += 1
    first = {name: counter.most_common(1)[0] for name, counter in counts.items()}
    return {
        name: path
        for name, (path, count) in first.items()
        if count >= LEAST_SHARE * counts[name].total()
    }


def unmatched_of(confidence_T: np.ndarray, least: float) -> list[int]:
    return np.flatnonzero(confidence_T < least).tolist()
