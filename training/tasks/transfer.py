"""The judge of families that move what they learned to other categories: what was taken over, what
fell back, and what each way there is worth by how much of the target it learns from.

Writes ``transfer.parquet``, a row a category that could be moved to, for whoever asks how much of
an interest came by transfer.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.family import Transfers
from training.guard import ADOPTED, Verdict
from training.tasks.case import Case

FILE = "transfer.parquet"
SCHEMA = pa.schema(
    [
        ("category", pa.string()),
        ("status", pa.string()),
        ("served", pa.string()),
        ("reason", pa.string()),
        ("shoppers", pa.int64()),
        ("gain", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("share", pa.float64()),
    ]
)
"""See ``Verdict``."""


def judge(family: Transfers, case: Case) -> dict[str, Any]:
    """The record's entry: ``categories`` as the guard judged them, ``curve`` on the test window."""
    verdicts = family.moves()
    write(verdicts, case.folder / FILE)
    adopted = sum(verdict.status == ADOPTED for verdict in verdicts)
    return {
        "headline": f"transfer taken over in {adopted} of {len(verdicts)} categories",
        "categories": [asdict(verdict) for verdict in verdicts],
        "curve": family.learning_curve(case.split, case.bench),
    }


def write(verdicts: Sequence[Verdict], path: Path) -> None:
    rows = [asdict(verdict) for verdict in verdicts]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
