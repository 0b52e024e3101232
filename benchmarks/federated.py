"""Federated training on Complete Journey's stores, beside pooled data and each node alone.

The households of the live snapshot are split into nodes by the store in which they shop most, whose
number is hashed: a chain of four regions that may not pool their data.
"""

import os
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb

from benchmarks.rows import grid, interval
from penchant.artifacts import Snapshot
from penchant.artifacts.federated import FederatedRecord
from penchant.errors import UsageError
from penchant.settings import Settings
from training.commands.federate import federate
from training.federated.comparison import ALONE, FEDERATED, POOLED
from training.federated.federation import Rounds

TITLE = "Four regions of a chain"
REGIONS = 4
FACTORS = "matrix_factorization"
RUNS: dict[str, tuple[str, Rounds, float | None]] = {
    FACTORS: (FACTORS, Rounds(5, "fedavg", secure=False), None),
    f"{FACTORS}, secure": (FACTORS, Rounds(2, "fedavg", secure=True), None),
    "gru, FedAdam": ("gru", Rounds(3, "fedadam", secure=False), None),
    f"{FACTORS}, ε = 1": (FACTORS, Rounds(2, "fedavg", secure=False), 1.0),
    f"{FACTORS}, ε = 8": (FACTORS, Rounds(2, "fedavg", secure=False), 8.0),
}
BUDGET = 100.0  # of the benchmark's home, whose models aren't released
HEAD = """NDCG@10 on the test window, all items, over the users of all nodes. `pooled`: as many
rounds with all histories in one place. `alone`: as many at each node by itself. The gain is of
`federated` over `alone`, paired by user. With an epsilon, all three are under differential privacy
of that epsilon for each user, `alone` at each node. Seconds are of all rounds, with the
start of Flower's processes. Rows are of runs of their own, some in other homes, so that nodes
differ by a few users.

With an epsilon the family learns from a noisy Gram matrix of 300 items, in place of alternating
least squares over all. Of four nodes, each of which adds all the noise, the sum has twice the noise
of pooled data.
"""


def measure(settings: Settings, *, runs: tuple[str, ...] = tuple(RUNS)) -> dict[str, Any]:
    """``runs``: some of RUNS."""
    snapshot = Snapshot.live(settings)
    with tempfile.TemporaryDirectory() as folder:
        assignment = Path(folder) / "regions.csv"
        write_regions(settings, assignment)
        rows = [
            row(name, _trained(settings, snapshot.id, assignment, *RUNS[name]))
            for name in RUNS
            if name in runs
        ]
    return {"rows": rows}


def _trained(
    settings: Settings,
    snapshot_id: str,
    assignment: Path,
    family: str,
    rounds: Rounds,
    epsilon: float | None,
) -> FederatedRecord:
    """The nodes' processes read their settings from the environment."""
    if epsilon is None:
        return federate(settings, snapshot_id, family, assignment, rounds).record
    variables = {"PENCHANT_DP_EPSILON": str(epsilon), "PENCHANT_DP_BUDGET": str(BUDGET)}
    with patch.dict(os.environ, variables):
        private = settings.model_copy(update={"dp_epsilon": epsilon, "dp_budget": BUDGET})
        return federate(private, snapshot_id, family, assignment, rounds).record


def write_regions(settings: Settings, path: Path) -> None:
    """Raises UsageError for a home without the transactions of Complete Journey."""
    landed = settings.landing / "complete_journey" / "transactions"
    files = [str(each) for each in landed.glob("*/data.parquet") if each.parent.name[0] != "_"]
    if not files:
        raise UsageError(f"{landed} has no batch", "run `penchant demo` in this home first")
    duckdb.execute(
        f"""
        copy (
            select household_id as user_id, 'region-' || (hash(mode(store_id)) % {REGIONS}) as node
            from read_parquet(?)
            group by household_id
        ) to '{path}' (header)
        """,
        [files],
    )


def row(name: str, record: FederatedRecord) -> list[str]:
    return [
        name,
        str(len(record.rounds)),
        " / ".join(str(users) for users in record.nodes.values()),
        *(interval(record.ndcg[way]) for way in (FEDERATED, POOLED, ALONE)),
        interval(record.difference[ALONE], sign="+"),
        f"{record.seconds:.0f}",
    ]


def page(figures: dict[str, Any]) -> str:
    head = ("family", "rounds", "users of each node", FEDERATED, POOLED, ALONE, "gain", "seconds")
    return f"{HEAD}\n{grid(head, figures['rows'])}"
