"""Context features of users and candidates, from histories and the policy log.

The counts of penchant/bandits/context_features.py as of the morning of each action, which is what
serving knows from that day's release.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penchant.bandits.context_features import (
    DAY,
    ContextCounts,
    ContextFeatures,
    Events,
    Outcomes,
    feature_matrix,
)
from penchant.bandits.slates import BoolArray, FloatArray, IntArray
from training.data.histories import Histories
from training.data.policy_log import PolicyLog

CATEGORIES = ("category_3", "category_2", "category_1", "brand")


def context_counts(histories: Histories, items: pa.Table, log: PolicyLog) -> ContextCounts:
    """Counts of all given events and actions; their features are as of a moment."""
    return ContextCounts.of(
        categories_of(items),
        Events(
            histories.users_U[histories.rows_N],
            histories.items_N.astype(np.int64),
            histories.times_N,
        ),
        Events(log.users_N, log.items_N, log.times_N),
        Outcomes(log.items_N, log.known_N, log.clicked_N),
    )


def context_features_of(
    facts: ContextCounts,
    log: PolicyLog,
    items_BC: IntArray,
    rank_BC: FloatArray,
    present_BC: BoolArray,
) -> ContextFeatures:
    """Features of these candidates for each action of a log, as of its morning."""
    mornings_B = log.times_N - log.times_N % DAY
    return facts.features(log.users_N, items_BC, mornings_B, log.positions_N, rank_BC, present_BC)


def action_features(facts: ContextCounts, log: PolicyLog) -> FloatArray:
    """features_ND of the actions of a log."""
    items_B1, rank_B1 = log.items_N[:, None], log.ranks_N[:, None]
    context = context_features_of(facts, log, items_B1, rank_B1, np.ones((len(log), 1), bool))
    return feature_matrix(context)[:, 0]


def categories_of(items: pa.Table) -> IntArray:
    """A number for each item's finest category, in the order of their names; those without one
    share a number."""
    present = [items[name] for name in CATEGORIES if name in items.column_names]
    if not present:
        return np.zeros(len(items), np.int64)
    names = pc.fill_null(pc.coalesce(*present), "")
    order = pc.unique(names).sort()
    return pc.index_in(names, order).to_numpy().astype(np.int64)
