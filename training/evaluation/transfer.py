"""The judge of families that move what they learned to other categories: what was taken over, what
fell back, and what each way there is worth by how much of the target it learns from.

Writes ``transfer.parquet``, a row a category that could be moved to, and ``transferred.parquet``,
what of each user's interest in a category came by transfer: portraits show it where this family
serves.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.evaluation.context import EvaluationContext
from training.fitting.capabilities import TransferDecision, Transfers
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


def evaluate(family: Transfers, context: EvaluationContext) -> dict[str, Any]:
    """The record's entry: ``categories`` as the guard judged them, ``curve`` on the test window."""
    decisions = family.decisions
    write(decisions, context.folder / FILE)
    adopted = [decision for decision in decisions if decision.status == ADOPTED]
    pq.write_table(transferred(adopted, context.dataset.user_ids), context.folder / TRANSFERRED)
    return {
        "headline": f"transfer taken over in {len(adopted)} of {len(decisions)} categories",
        "categories": [asdict(decision) for decision in decisions],
        "curve": family.learning_curve(context.split, context.training),
    }


def write(decisions: Sequence[TransferDecision], path: Path) -> None:
    rows = [asdict(decision) for decision in decisions]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)


def transferred(adopted: Sequence[TransferDecision], user_ids: Sequence[str]) -> pa.Table:
    """user_id, category and the share of what serves it: the same for all, as it was judged."""
    pairs = [(user, decision) for user in user_ids for decision in adopted]
    return pa.table(
        {
            "user_id": pa.array([user for user, _ in pairs], pa.string()),
            "category": pa.array([decision.category for _, decision in pairs], pa.string()),
            "share": pa.array([decision.share for _, decision in pairs], pa.float64()),
        }
    )
