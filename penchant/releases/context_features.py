"""The facts that a policy is told, as a release publishes them: arrays, mapped into memory.

They restate the snapshot's marts as of its end, so they move on with every release, while a
policy stays as it was learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penchant.artifacts import Snapshot
from penchant.bandits.context_features import ContextCounts, ContextFeatures, Events, Outcomes
from penchant.bandits.slates import IntArray
from penchant.encryption import parquet as pq
from penchant.errors import DataError
from penchant.sequences import target_events
from penchant.vectors import load_array

FOLDER = "policy_facts"
CATEGORIES = ("category_3", "category_2", "category_1", "brand")
"""The finest that an item has is its category."""
USERS_A_PART = 20_000


@dataclass(frozen=True)
class PublishedContext:
    """``user_ids_U`` and ``item_ids_I``: sorted bytes; their places are the rows of ``facts``."""

    user_ids_U: np.ndarray
    item_ids_I: np.ndarray
    moment: int
    counts: ContextCounts

    @classmethod
    def open(cls, release: Path) -> "PublishedContext":
        """Raises DataError for a release from before there were facts."""
        folder = release / FOLDER
        if not folder.is_dir():
            raise DataError(
                f"release {release.name} has no facts for a policy: it is from before there "
                "were any",
                "run `penchant publish` again",
            )
        arrays = {path.stem: load_array(path) for path in folder.glob("*.npy")}
        user_ids_U, item_ids_I = arrays.pop("user_ids_U"), arrays.pop("item_ids_I")
        moment = int(arrays.pop("moment")[0])
        return cls(user_ids_U, item_ids_I, moment, ContextCounts.from_arrays(arrays))

    def features(self, user_id: str, item_ids: Sequence[str]) -> ContextFeatures:
        """What is known of one user's candidates, in the order of the ranker. Who and what is
        not known has no past."""
        items_BC = _places(self.item_ids_I, item_ids)[None]
        return self.counts.features(
            _places(self.user_ids_U, [user_id]),
            items_BC,
            np.array([self.moment]),
            np.zeros(1, np.int64),
            np.arange(len(item_ids), dtype=float)[None],
            np.ones(items_BC.shape, bool),
        )


def write_policy_facts(snapshot: Snapshot, release: Path) -> None:
    """Write the facts of a snapshot's end into a release's directory."""
    folder = release / FOLDER
    folder.mkdir()
    facts, user_ids, item_ids = facts_of_snapshot(snapshot)
    moment = int(snapshot.as_of.replace(tzinfo=UTC).timestamp())
    arrays = facts.arrays_at(moment) | {
        "user_ids_U": _bytes(user_ids),
        "item_ids_I": _bytes(item_ids),
        "moment": np.array([moment]),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def facts_of_snapshot(snapshot: Snapshot) -> tuple[ContextCounts, pa.ChunkedArray, pa.ChunkedArray]:
    """All facts, and the ids of the users and items that they number, sorted.

    What was shown but not answered yet counts as seen; answers count once they are known.
    """
    user_ids = pq.read_table(snapshot.mart("users"), columns=["user_id"])["user_id"].sort()
    items = pq.ParquetFile(snapshot.mart("items")).read().sort_by("item_id")
    done = _done(snapshot, user_ids, items["item_id"])
    drawn = pc.field("item_id").is_valid() & pc.field("propensity").is_valid()
    shown = _of_mart(snapshot, "impressions", ["user_id", "item_id", "shown_at"], drawn)
    answered = _of_mart(snapshot, "policy_log", ["item_id", "known_at", "clicked"], None)
    facts = ContextCounts.of(
        _categories(items),
        done,
        Events(
            _rows(shown["user_id"], user_ids),
            _rows(shown["item_id"], items["item_id"]),
            _seconds(shown["shown_at"]),
        ),
        Outcomes(
            _rows(answered["item_id"], items["item_id"]),
            _seconds(answered["known_at"]),
            pc.cast(answered["clicked"], pa.float64()).to_numpy(),
        ),
    )
    return facts, user_ids, items["item_id"]


def _done(snapshot: Snapshot, user_ids: pa.ChunkedArray, item_ids: pa.ChunkedArray) -> Events:
    """What users did, of the event type that families predict."""
    rows: list[tuple[IntArray, IntArray, IntArray]] = []
    for batch in pq.ParquetFile(snapshot.mart("sequences")).iter_batches(USERS_A_PART):
        acted = target_events(pa.Table.from_batches([batch]))
        users, items = _rows(acted["user_id"], user_ids), _rows(acted["item_id"], item_ids)
        rows.append((users, items, _seconds(acted["event_at"])))
    users_N, items_N, times_N = (
        np.concatenate([np.zeros(0, np.int64), *column])
        for column in ([row[at] for row in rows] for at in range(3))
    )
    return Events(users_N, items_N, times_N)


def _of_mart(
    snapshot: Snapshot, mart: str, columns: list[str], filters: pc.Expression | None
) -> pa.Table:
    """The rows of a mart of what was shown; none in a snapshot of a shop that shows nothing."""
    path = snapshot.mart(mart)
    lacking = sorted(set(columns) - set(pq.read_schema(path).names)) if path.is_file() else []
    if path.is_file() and not lacking:
        return pq.read_table(path, columns=columns, filters=filters)
    if lacking and pq.read_metadata(path).num_rows:
        raise DataError(
            f"mart {mart} of snapshot {snapshot.id} lacks {', '.join(lacking)}: it was built "
            "before policies were told of that",
            "run `penchant build` again",
        )
    kinds = {"clicked": pa.bool_(), "shown_at": pa.timestamp("us"), "known_at": pa.timestamp("us")}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in columns])
    return schema.empty_table()


def _categories(items: pa.Table) -> IntArray:
    present = [items[name] for name in CATEGORIES if name in items.column_names]
    if not present:
        return np.zeros(len(items), np.int64)
    names = pc.fill_null(pc.coalesce(*present), "")
    order = pc.unique(names)
    order = order.take(pc.sort_indices(order))
    return pc.index_in(names, value_set=order).to_numpy().astype(np.int64)


def _rows(values: pa.ChunkedArray, ids: pa.ChunkedArray) -> IntArray:
    """The place of each value, which the snapshot's checks have found to be there."""
    return pc.index_in(values, value_set=ids.combine_chunks()).to_numpy().astype(np.int64)


def _seconds(times: pa.ChunkedArray) -> IntArray:
    return times.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() // 1_000_000


def _bytes(ids: pa.ChunkedArray) -> np.ndarray:
    return np.array([each.encode() for each in ids.to_pylist()], dtype=np.bytes_)


def _places(sorted_X: np.ndarray, values: Sequence[str]) -> IntArray:
    """Of each value among the sorted ids; one beyond the last for what is not there."""
    wanted = np.array([value.encode() for value in values], dtype=np.bytes_)
    places = np.searchsorted(sorted_X, wanted)
    near = np.minimum(places, len(sorted_X) - 1)
    return np.where(sorted_X[near] == wanted, near, len(sorted_X)).astype(np.int64)
