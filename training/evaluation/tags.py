"""The judge of families that propose tags: held-out categories, found again or not.

A sample of the items that were bought before the test window loses its tags; half of them choose
how much words count beside users, the other half are judged. A title may spell the very tag that
is asked for, so items are judged twice: as they are, and with their categories' names taken out of
their words. Proposals for items that lack a tag are left in ``proposed_tags.parquet``.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

from penchant.errors import DataError
from training.data.histories import Histories, IntArray
from training.data.tags import WEIGHTS, ActionScores, FloatArray, Tags, users_of, vote
from training.evaluation.context import EvaluationContext
from training.evaluation.metrics.intervals import intervals
from training.fitting.capabilities import ProposesTags

HELD_OUT = 1000  # half to tune on, half to judge
PROPOSED = "proposed_tags.parquet"
FIRST = 3  # tags that are proposed for an item
ASKED = ("category_1", "category_3")  # category and type
MEASURES = ("precision@1", f"found in {FIRST}")


def evaluate(family: ProposesTags, context: EvaluationContext) -> dict[str, Any]:
    """The record's entries. Where nothing can be proposed, ``missing`` says why."""
    histories = context.split.test.histories
    items = context.dataset.items
    words = {name: family.tag_words(items, name == "names hidden") for name in SETTINGS}
    users_IU = users_of(histories)
    levels: dict[str, Any] = {}
    try:
        for level in ASKED:
            tags = Tags.of(items, level)
            held_N = held_out(tags, histories, context.seed)
            levels[level] = {
                "tags": len(tags.names_C),
                "items": len(held_N) - len(held_N) // 2,
                **{
                    name: evaluated(words_IW, users_IU, tags, held_N, context.seed)
                    for name, words_IW in words.items()
                },
            }
            context.training.budget.check()
    except DataError as error:
        return {"headline": "", "missing": error.cause, "remedy": error.remedy}
    proposed = _propose(context, words["as they are"], users_IU, levels)
    found = levels[ASKED[-1]]["names hidden"]["both"]["precision@1"]["mean"]
    return {
        "headline": f"right type first for {found:.0%} of items whose text hides it",
        "levels": levels,
        "proposed": proposed,
    }


SETTINGS = ("as they are", "names hidden")


def held_out(tags: Tags, histories: Histories, seed: int) -> IntArray:
    """Items with a tag that others have too, drawn from those that were bought.

    Raises DataError where there are fewer than two.
    """
    counts_C = np.bincount(tags.tag_I[tags.tag_I >= 0], minlength=len(tags.names_C))
    shared_I = (tags.tag_I >= 0) & (counts_C[tags.tag_I] > 1) & (histories.counts_I() > 0)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(shared_I))[:HELD_OUT]
    if len(rows) < 2:
        raise DataError(
            f"no two bought items share a {tags.level}: there is nothing to find again",
            "land a catalogue whose categories hold more than one item",
        )
    return rows


def evaluated(
    words_IW: sp.csr_matrix, users_IU: sp.csr_matrix, tags: Tags, held_N: IntArray, seed: int
) -> dict[str, Any]:
    """Each way to propose -> its measures with intervals over the second half of the items."""
    votes, label_N = vote(words_IW, users_IU, tags, held_N), tags.tag_I[held_N]
    half = len(held_N) // 2
    voters_I = tags.tag_I.copy()
    voters_I[held_N] = -1
    counts_C = np.bincount(voters_I[voters_I >= 0], minlength=len(tags.names_C))
    right = {
        weight: hits(votes.joined(weight), label_N, counts_C)[:half, 0].mean() for weight in WEIGHTS
    }
    best = max(right, key=right.__getitem__)
    ways = {
        "both": votes.joined(best),
        "words": votes.words_NC,
        "users": votes.users_NC,
        "most common": np.zeros_like(votes.words_NC),
    }
    figures: dict[str, Any] = {"words_weight": best}
    for way, votes_NC in ways.items():
        found = intervals(hits(votes_NC, label_N, counts_C)[half:], seed)
        figures[way] = {name: asdict(one) for name, one in zip(MEASURES, found, strict=True)}
    return figures


def hits(votes_NC: FloatArray, label_N: IntArray, counts_C: IntArray) -> np.ndarray:
    """hits_N2: is the right tag the first, and is it among the first ones; of equal votes, and
    without any, the commoner tag goes first."""
    first_NK = firsts(votes_NC, counts_C)
    right_NK = first_NK == label_N[:, None]
    return np.stack([right_NK[:, 0], right_NK.any(axis=1)], axis=1).astype(float)


def firsts(votes_NC: FloatArray, counts_C: IntArray) -> IntArray:
    """The first tags of each item, best first."""
    rarely_C = counts_C / (counts_C.sum() + 1) * 1e-6  # less than any vote
    return np.argsort(-(votes_NC + rarely_C), axis=1, kind="stable")[:, :FIRST]


def _propose(
    context: EvaluationContext,
    words_IW: sp.csr_matrix,
    users_IU: sp.csr_matrix,
    levels: dict[str, Any],
) -> dict[str, Any]:
    """Write what is proposed for items that lack a tag and of which something is known; returns
    how many of each level, and some of them."""
    ids, tables, counts = np.array(context.dataset.item_ids), [], {}
    for level in levels:
        tags = Tags.of(context.dataset.items, level)
        lacking_N = np.flatnonzero(tags.tag_I < 0)
        votes: ActionScores = vote(words_IW, users_IU, tags, lacking_N)
        votes_NC = votes.joined(levels[level]["as they are"]["words_weight"])
        known = votes_NC.any(axis=1)
        best_N = votes_NC[known].argmax(axis=1) if known.any() else np.zeros(0, np.int64)
        counts[level] = {"lacking": len(lacking_N), "proposed": int(known.sum())}
        tables.append(
            pa.table(
                {
                    "item_id": pa.array(ids[lacking_N[known]], pa.string()),
                    "level": pa.array([level] * len(best_N), pa.string()),
                    "tag": pa.array([tags.names_C[tag] for tag in best_N], pa.string()),
                    "votes": pa.array(
                        votes_NC[known][np.arange(len(best_N)), best_N], pa.float32()
                    ),
                }
            )
        )
    proposed = pa.concat_tables(tables)
    pq.write_table(proposed, context.folder / PROPOSED)
    best = proposed.sort_by([("votes", "descending"), ("item_id", "ascending")])
    return {"counts": counts, "first": best.slice(0, 10).to_pylist()}
