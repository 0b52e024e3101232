"""Federated training beside training on all data in one place, and at each node by itself."""

from collections.abc import Callable

import numpy as np

from training.data.histories import Histories, IntArray
from training.data.split import Split
from training.evaluation.metrics.full_ranking import evaluate_window
from training.evaluation.metrics.intervals import Interval, bootstrap
from training.federated.local_training import Arrays, LocalTraining

FEDERATED, POOLED, ALONE = "federated", "pooled", "alone"


def compare(
    make: Callable[[int], LocalTraining],
    final: Arrays,
    split: Split,
    nodes: dict[str, IntArray],
    rounds: int,
    seed: int,
) -> tuple[dict[str, Interval], dict[str, Interval]]:
    """NDCG@10 of each way over the test users of all nodes, and what ``federated`` adds to each.

    ``make``: a training whose arrays are means of so many nodes. ``nodes``: rows of their users.
    ``pooled`` and ``alone`` take as many rounds from the same initial arrays, so only where the
    data is differs.
    """
    item_count = split.train.item_count
    everybody = np.sort(np.concatenate(list(nodes.values())))
    pooled = make(1)
    initial = pooled.initial(item_count, seed)
    together = repeated(pooled, initial, split.train.take(everybody), rounds, seed)
    values = {
        FEDERATED: ndcg_by_user(make(len(nodes)), final, split, nodes),
        POOLED: ndcg_by_user(pooled, together, split, nodes),
    }
    alone: dict[int, float] = {}
    for rows in nodes.values():
        training = make(1)
        arrays = repeated(training, initial, split.train.take(rows), rounds, seed)
        alone |= ndcg_by_user(training, arrays, split, {"": rows})
    values[ALONE] = alone
    users = sorted(values[FEDERATED])
    columns = {name: np.array([each[user] for user in users]) for name, each in values.items()}
    return (
        {name: bootstrap(column, seed) for name, column in columns.items()},
        {name: bootstrap(columns[FEDERATED] - columns[name], seed) for name in (POOLED, ALONE)},
    )


def repeated(
    training: LocalTraining, arrays: Arrays, histories: Histories, rounds: int, seed: int
) -> Arrays:
    """The arrays after rounds with one node."""
    for number in range(1, rounds + 1):
        arrays = training.trained(arrays, histories, seed + number)
    return arrays


def ndcg_by_user(
    training: LocalTraining, arrays: Arrays, split: Split, nodes: dict[str, IntArray]
) -> dict[int, float]:
    """User row -> NDCG@10 on the test window; each node observes its own users alone."""
    found: dict[int, float] = {}
    for rows in nodes.values():
        window = split.test.take(rows)
        family = training.family(arrays, window.histories)
        if not len(window.evaluated().histories):
            continue
        evaluation = evaluate_window(family.scorer(), window, ("all",))["all"]
        found |= dict(
            zip(evaluation.users.tolist(), evaluation.values["ndcg@10"].tolist(), strict=True)
        )
    return found
