"""Evaluation of families that propose tags: precision on held-out categories.

The tags of a sample of items with events before the test window are hidden. Half of the sample
selects the weight of words, the other half is evaluated. A title may contain the tag itself, so
items are evaluated twice: as they are, and without the names of their categories. Proposals for
items without a tag are written to ``proposed_tags.parquet``.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from penchant.encryption import parquet as pq
from penchant.errors import DataError
from training.data.histories import Histories, IntArray
from training.data.tags import WEIGHTS, FloatArray, Tags, TagScores, score_tags, users_of
from training.evaluation.context import EvaluationContext, Figures
from training.evaluation.metrics.intervals import intervals
from training.fitting.capabilities import ProposesTags
from training.fitting.family import Family

HELD_OUT = 1000  # half to tune, half to evaluate
PROPOSED = "proposed_tags.parquet"
FIRST = 3  # tags that are proposed for an item
EVALUATED = ("category_1", "category_3")
SETTINGS = ("as they are", "names hidden")
MEASURES = ("precision@1", f"found in {FIRST}")


def evaluate(family: Family, context: EvaluationContext) -> Figures:
    """``missing`` where no tag can be proposed."""
    assert isinstance(family, ProposesTags)
    histories = context.split.test.histories
    items = context.dataset.items
    words = {name: family.tag_words(items, name == "names hidden") for name in SETTINGS}
    users_IU = users_of(histories)
    levels: dict[str, Any] = {}
    try:
        for level in EVALUATED:
            tags = Tags.of(items, level)
            held_N = held_out(tags, histories, context.seed)
            by_users_NC = score_tags(users_IU, tags, held_N)
            levels[level] = {
                "tags": len(tags.names_C),
                "items": len(held_N) - len(held_N) // 2,
                **{
                    name: evaluated(
                        TagScores(score_tags(words_IW, tags, held_N), by_users_NC),
                        tags,
                        held_N,
                        context.seed,
                    )
                    for name, words_IW in words.items()
                },
            }
            context.training.budget.check()
    except DataError as error:
        return {"headline": "", "missing": error.cause, "remedy": error.remedy}
    proposed = _propose(context, words["as they are"], users_IU, levels)
    found = levels[EVALUATED[-1]]["names hidden"]["both"]["precision@1"]["mean"]
    return {
        "headline": f"right type first for {found:.0%} of items whose text hides it",
        "levels": levels,
        "proposed": proposed,
    }


def held_out(tags: Tags, histories: Histories, seed: int) -> IntArray:
    """A sample of items with events, whose tag at least one other item has.

    Raises DataError where there are fewer than two.
    """
    counts_C = np.bincount(tags.tag_I[tags.tag_I >= 0], minlength=len(tags.names_C))
    shared_I = (tags.tag_I >= 0) & (counts_C[tags.tag_I] > 1) & (histories.counts_I() > 0)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(shared_I))[:HELD_OUT]
    if len(rows) < 2:
        raise DataError(
            f"no two items with events share a {tags.level}: there is nothing to evaluate",
            "land a catalogue whose categories have more than one item",
        )
    return rows


def evaluated(scores: TagScores, tags: Tags, held_N: IntArray, seed: int) -> dict[str, Any]:
    """Each method -> its measures with intervals over the second half of the items."""
    label_N = tags.tag_I[held_N]
    half = len(held_N) // 2
    known_I = tags.tag_I.copy()
    known_I[held_N] = -1
    counts_C = np.bincount(known_I[known_I >= 0], minlength=len(tags.names_C))
    right = {
        weight: hits(scores.joined(weight), label_N, counts_C)[:half, 0].mean()
        for weight in WEIGHTS
    }
    best = max(right, key=right.__getitem__)
    ways = {
        "both": scores.joined(best),
        "words": scores.words_NC,
        "users": scores.users_NC,
        "most common": np.zeros_like(scores.words_NC),
    }
    figures: dict[str, Any] = {"words_weight": best}
    for way, scores_NC in ways.items():
        found = intervals(hits(scores_NC, label_N, counts_C)[half:], seed)
        figures[way] = {name: asdict(one) for name, one in zip(MEASURES, found, strict=True)}
    return figures


def hits(scores_NC: FloatArray, label_N: IntArray, counts_C: IntArray) -> np.ndarray:
    """hits_N2: is the right tag first, and is it among the first ``FIRST``. More common tags win
    ties."""
    first_NK = firsts(scores_NC, counts_C)
    right_NK = first_NK == label_N[:, None]
    return np.stack([right_NK[:, 0], right_NK.any(axis=1)], axis=1).astype(float)


def firsts(scores_NC: FloatArray, counts_C: IntArray) -> IntArray:
    """The first tags of each item, best first."""
    left_NC = scores_NC + counts_C / (counts_C.sum() + 1) * 1e-6  # less than any score
    first_NK = np.empty((len(left_NC), min(FIRST, left_NC.shape[1])), np.int64)
    for place in range(first_NK.shape[1]):  # a sort of hundreds of tags takes ten times as long
        first_NK[:, place] = left_NC.argmax(axis=1)
        np.put_along_axis(left_NC, first_NK[:, place, None], -np.inf, axis=1)
    return first_NK


def _propose(
    context: EvaluationContext,
    words_IW: sp.csr_matrix,
    users_IU: sp.csr_matrix,
    levels: dict[str, Any],
) -> dict[str, Any]:
    """Write proposals for items without a tag but with known neighbours; returns the number of each
    level and the ten best."""
    ids, tables, counts = np.array(context.dataset.item_ids), [], {}
    for level in levels:
        tags = Tags.of(context.dataset.items, level)
        lacking_N = np.flatnonzero(tags.tag_I < 0)
        scores = TagScores(*(score_tags(one, tags, lacking_N) for one in (words_IW, users_IU)))
        scores_NC = scores.joined(levels[level]["as they are"]["words_weight"])
        known = scores_NC.any(axis=1)
        best_N = scores_NC[known].argmax(axis=1) if known.any() else np.zeros(0, np.int64)
        counts[level] = {"lacking": len(lacking_N), "proposed": int(known.sum())}
        tables.append(
            pa.table(
                {
                    "item_id": pa.array(ids[lacking_N[known]], pa.string()),
                    "level": pa.array([level] * len(best_N), pa.string()),
                    "tag": pa.array([tags.names_C[tag] for tag in best_N], pa.string()),
                    "votes": pa.array(
                        scores_NC[known][np.arange(len(best_N)), best_N], pa.float32()
                    ),
                }
            )
        )
    proposed = pa.concat_tables(tables)
    pq.write_table(proposed, context.folder / PROPOSED)
    best = proposed.sort_by([("votes", "descending"), ("item_id", "ascending")])
    return {"counts": counts, "first": best.slice(0, 10).to_pylist()}
