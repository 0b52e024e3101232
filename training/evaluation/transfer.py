"""Evaluation of families that transfer between categories: adopted and rejected target categories,
and the value of each method by the share of the target's events that it learns from.

Writes ``transfer.parquet``, a row for each target category, and ``transferred.parquet``, the share
of each user's interest in a category that is due to transfer, for user portraits.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from penchant.encryption import parquet as pq
from training.evaluation.context import EvaluationContext, Figures
from training.fitting.capabilities import TransferDecision, Transfers
from training.fitting.family import Family
from training.layers.transfer.guard import ADOPTED

FILE, TRANSFERRED = "transfer.parquet", "transferred.parquet"
SCHEMA = pa.schema(
    [
        ("category", pa.string()),
        ("status", pa.string()),
        ("served", pa.string()),
        ("reason", pa.string()),
        ("users", pa.int64()),
        ("gain", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("share", pa.float64()),
    ]
)
"""See ``TransferDecision``."""


def evaluate(family: Family, context: EvaluationContext) -> Figures:
    """``categories``: decisions of the guard; ``curve``: learning curve on the test window."""
    assert isinstance(family, Transfers)
    decisions = family.decisions
    write(decisions, context.folder / FILE)
    adopted = [decision for decision in decisions if decision.status == ADOPTED]
    pq.write_table(transferred(adopted, context.dataset.user_ids), context.folder / TRANSFERRED)
    return {
        "headline": f"transfer adopted in {len(adopted)} of {len(decisions)} categories",
        "categories": [asdict(decision) for decision in decisions],
        "curve": family.learning_curve(context.split, context.training),
    }


def write(decisions: Sequence[TransferDecision], path: Path) -> None:
    rows = [asdict(decision) for decision in decisions]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)


def transferred(adopted: Sequence[TransferDecision], user_ids: Sequence[str]) -> pa.Table:
    """user_id, category and share; a category's share is the same for all users."""
    pairs = [(user, decision) for user in user_ids for decision in adopted]
    return pa.table(
        {
            "user_id": pa.array([user for user, _ in pairs], pa.string()),
            "category": pa.array([decision.category for _, decision in pairs], pa.string()),
            "share": pa.array([decision.share for _, decision in pairs], pa.float64()),
        }
    )
