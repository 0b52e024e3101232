"""A rival that is made of half of a home's catalogue: are its items found, and its prices?

The rival writes titles in another order of words, leaves out a word in five and misspells one in
ten, asks nine tenths of our price, and sells the other half under invented brands and names. Of the
matches that count, those of the right item are counted, and of the items that both sell, those
found. The baseline matches equal titles.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.insights.homes import homes_of
from benchmarks.rows import grid
from penchant.artifacts import Snapshot
from penchant.encryption import parquet as pq
from penchant.insights.competitors.matching import LEAST_CONFIDENCE, Listing, match, nearest
from penchant.insights.competitors.prices import price_rows
from penchant.settings import Settings
from penchant.words import words

TITLE = "Competitors"
MOST_ITEMS, RATIO, DROPPED, MISSPELLED = 5000, 0.9, 0.2, 0.1
LETTERS = "abcdefghijklmnopqrstuvwxyz"
THRESHOLDS = (0.4, LEAST_CONFIDENCE, 0.8)


def measure(settings: Settings, *, homes: str = "") -> dict[str, Any]:
    """``homes``: other homes with a live snapshot, comma-separated."""
    return {name: _of_home(each) for name, each in homes_of(settings, homes)}


def _of_home(settings: Settings) -> dict[str, Any]:
    random = np.random.default_rng(settings.seed)
    columns = ["item_id", "title", "brand", "category_1", "price"]
    table = pq.read_table(Snapshot.live(settings).mart("items"), columns=columns)
    items = [Listing(*row.values()) for row in table.to_pylist()]
    titled = {
        each.title: each for each in items
    }  # of equal titles one: nobody can match the others
    listed = list(titled.values())
    ours = [listed[at] for at in random.permutation(len(listed))[:MOST_ITEMS]]
    theirs = [_rival(each, random) for each in ours[: len(ours) // 2]]
    sold = [_unknown(each, random) for each in ours[len(ours) // 2 :]]
    ours = ours[: len(ours) // 2] + listed[MOST_ITEMS : 2 * MOST_ITEMS]
    started = time.process_time()
    rows_T, confidence_T = match(nearest(ours, [*theirs, *sold]))
    seconds = time.process_time() - started
    return {
        "items": len(theirs) + len(sold),
        "ours": len(ours),
        "cpu_seconds": seconds,
        "equal_titles": _equal(ours, theirs),
        "thresholds": {
            str(least): _accuracy(rows_T, confidence_T, len(theirs), least) for least in THRESHOLDS
        },
        "index": _index(ours, [*theirs, *sold], rows_T, confidence_T),
    }


def _rival(item: Listing, random: np.random.Generator) -> Listing:
    kept = [word for word in words(item.title) if random.random() >= DROPPED]
    shuffled = random.permutation(kept or words(item.title)).tolist()
    written = [_misspelled(w, random) if random.random() < MISSPELLED else w for w in shuffled]
    price = item.price * RATIO if item.price else None
    return Listing(f"rival:{item.item_id}", " ".join(written), item.brand, None, price)


def _unknown(item: Listing, random: np.random.Generator) -> Listing:
    """Its words with all letters drawn anew but for the last word, which names the kind."""
    *front, last = words(item.title) or [item.item_id]
    invented = ["".join(random.choice(list(LETTERS), 6)) for _ in (*front, "")]
    title = " ".join([*invented, last])
    return Listing(f"rival:new {item.item_id}", title, invented[-1], None, item.price)


def _misspelled(word: str, random: np.random.Generator) -> str:
    at = int(random.integers(len(word)))
    return word[:at] + LETTERS[random.integers(26)] + word[at + 1 :]


def _accuracy(
    rows_T: np.ndarray, confidence_T: np.ndarray, same: int, least: float
) -> dict[str, float]:
    counted_T = (confidence_T >= least) & (rows_T >= 0)
    right = int((counted_T[:same] & (rows_T[:same] == np.arange(same))).sum())
    return {"precision": right / max(1, int(counted_T.sum())), "recall": right / max(1, same)}


def _equal(ours: Sequence[Listing], theirs: Sequence[Listing]) -> float:
    """Recall of equal sets of words."""
    known = {" ".join(sorted(words(each.title))) for each in ours}
    return float(np.mean([" ".join(sorted(words(each.title))) in known for each in theirs]))


def _index(
    ours: Sequence[Listing],
    theirs: Sequence[Listing],
    rows_T: np.ndarray,
    confidence_T: np.ndarray,
) -> dict[str, float] | None:
    pairs = [
        (theirs[at], ours[rows_T[at]])
        for at in np.flatnonzero(confidence_T >= LEAST_CONFIDENCE).tolist()
    ]
    rows = price_rows("rival", pairs, {})
    return {name: rows[0][name] for name in ("mean", "low", "high")} if rows else None


def page(figures: dict[str, Any]) -> str:
    return "\n\n".join(_page_of(name, figures[name]) for name in sorted(figures))


def _page_of(source: str, figures: dict[str, Any]) -> str:
    index = figures["index"]
    rows = [
        [least, f"{each['precision']:.1%}", f"{each['recall']:.1%}"]
        for least, each in sorted(figures["thresholds"].items())
    ]
    measured = (
        f"{index['mean']:.3f} [{index['low']:.3f}, {index['high']:.3f}]" if index else "unknown"
    )
    return "\n\n".join(
        [
            f"**{source}**: {figures['items']:,} items of a made rival, half of which are among "
            f"{figures['ours']:,} of ours; {figures['cpu_seconds']:.0f} CPU seconds. Equal words "
            f"find {figures['equal_titles']:.1%}. Price index {measured}; the rival asks {RATIO}.",
            grid(["least confidence", "right of the matches", "found of what both sell"], rows),
        ]
    )
