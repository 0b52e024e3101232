"""What a node trains on: the histories of its own users over the catalogue that all nodes share."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from penchant.errors import DataError, UsageError
from training.data.histories import Dataset, Histories, IntArray

LEAST_USERS = 2


def read_catalogue(path: Path) -> list[str]:
    """Item ids, one a line, the same file on every node. Raises UsageError for a repeated one."""
    item_ids = path.read_text().splitlines()
    if len(set(item_ids)) != len(item_ids) or not item_ids:
        raise UsageError(
            f"{path}: {len(item_ids)} lines with {len(set(item_ids))} different item ids",
            "write each item id once, one a line, in the same order on every node",
        )
    return item_ids


def over_catalogue(dataset: Dataset, item_ids: Sequence[str]) -> Histories:
    """Histories whose item rows are places in ``item_ids``; events with other items are left out.

    Raises DataError where nothing is left.
    """
    row_of = {item_id: row for row, item_id in enumerate(item_ids)}
    row_I = np.array([row_of.get(item_id, -1) for item_id in dataset.item_ids], np.int32)
    histories = replace(dataset.histories, others=None)
    known = histories.only(row_I[histories.items_N] >= 0)
    if not len(known.items_N):
        raise DataError(
            "no event of this snapshot has an item of the shared catalogue",
            "check that the node's item ids are those of the catalogue file",
        )
    return replace(known, items_N=row_I[known.items_N], item_count=len(item_ids))


def read_assignment(path: Path, user_ids: Sequence[str]) -> dict[str, IntArray]:
    """Node -> rows of its users, from a CSV file with the columns ``user_id`` and ``node``.

    Users without a line are in no node; lines of unknown users are ignored. Raises UsageError for
    a file without those columns, or with less than two nodes of two known users.
    """
    row_of = {user_id: row for row, user_id in enumerate(user_ids)}
    rows: dict[str, list[int]] = defaultdict(list)
    with path.open(newline="") as file:
        lines = csv.DictReader(file)
        if not {"user_id", "node"} <= set(lines.fieldnames or ()):
            raise UsageError(
                f"{path}: has the columns {lines.fieldnames}", "give it user_id and node"
            )
        for line in lines:
            if line["user_id"] in row_of:
                rows[line["node"]].append(row_of[line["user_id"]])
    nodes = {
        name: np.unique(np.array(found, np.int64))
        for name, found in sorted(rows.items())
        if len(set(found)) >= LEAST_USERS
    }
    if len(nodes) < 2:
        raise UsageError(
            f"{path}: {len(nodes)} nodes have {LEAST_USERS} users of this snapshot",
            "assign users of the snapshot to at least two nodes",
        )
    return nodes
