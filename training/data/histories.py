"""The marts `sequences`, `items` and `users` of a snapshot as compact arrays.

The suffix of a name gives an array's axes: U users, B users of a batch, I items, N events, K ranks,
D vector dimensions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from penchant.errors import DataError
from penchant.interactions import EVENT_TYPES
from training.data.item_vectors import with_vectors

if TYPE_CHECKING:  # types only: its validation needs packages that a benchmark on a GPU lacks
    from penchant.artifacts import Snapshot

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
TypeArray = npt.NDArray[np.int8]
"""Event types, as places in ``EVENT_TYPES``."""

DAY = 86_400  # seconds


@dataclass(frozen=True)
class Histories:
    """Each user's events before ``end``, oldest first, as one ragged array.

    ``users_U``: row of the user in ``Dataset.user_ids``. ``starts_U1``: user u's events are
    ``starts_U1[u]:starts_U1[u + 1]`` of the arrays over N. ``items_N``: row of the item in
    ``Dataset.item_ids``. ``times_N`` and ``end``: seconds since 1970 in UTC. ``weights_N``:
    strength of an event, positive, around 1 for one purchase.

    These are events of the type that families predict. ``others``: the same users' events of the
    other types, None where the shop records none; ``every_type`` joins both. ``types_N``: places in
    ``EVENT_TYPES``, None where all events are of the first.
    """

    users_U: IntArray
    starts_U1: IntArray
    items_N: npt.NDArray[np.int32]
    times_N: IntArray
    weights_N: FloatArray
    item_count: int
    end: int
    types_N: TypeArray | None = None
    others: "Histories | None" = None

    def __len__(self) -> int:
        return len(self.users_U)

    @property
    def lengths_U(self) -> IntArray:
        return np.diff(self.starts_U1)

    @property
    def rows_N(self) -> IntArray:
        """For each event, the row of its user in this object."""
        return np.repeat(np.arange(len(self)), self.lengths_U)

    @property
    def ages_N(self) -> FloatArray:
        """Days from each event to ``end``."""
        return ((self.end - self.times_N) / DAY).astype(np.float32)

    @property
    def places_N(self) -> TypeArray:
        """The place of each event's type in ``EVENT_TYPES``."""
        return np.zeros(len(self.items_N), np.int8) if self.types_N is None else self.types_N

    def between(self, start: int, end: int) -> "Histories":
        """The same users with only the events of [start, end)."""
        kept = self.only((self.times_N >= start) & (self.times_N < end))
        others = None if self.others is None else self.others.between(start, end)
        return replace(kept, end=min(end, self.end), others=others)

    def only(self, keep_N: npt.NDArray[np.bool_]) -> "Histories":
        """The same users with only some of the events, and all events of other types."""
        lengths_U = np.bincount(self.rows_N[keep_N], minlength=len(self))
        return replace(self._events(keep_N), starts_U1=starts(lengths_U))

    def before(self, end: int) -> "Histories":
        return self.between(np.iinfo(np.int64).min, end)

    def take(self, rows_B: IntArray) -> "Histories":
        """Only these users, in this order."""
        lengths_B = self.lengths_U[rows_B]
        first_B = self.starts_U1[rows_B]
        starts_B1 = starts(lengths_B)
        rows_N = np.repeat(first_B - starts_B1[:-1], lengths_B) + np.arange(starts_B1[-1])
        others = None if self.others is None else self.others.take(rows_B)
        return replace(
            self._events(rows_N), users_U=self.users_U[rows_B], starts_U1=starts_B1, others=others
        )

    def parts(self, size: int) -> "Iterator[Histories]":
        """Batches of ``size`` users, in order."""
        rows_U = np.arange(len(self))
        for first in range(0, len(self), size):
            yield self.take(rows_U[first : first + size])

    def latest(self, length: int) -> "Histories":
        """The same users with at most their ``length`` newest events."""
        keep_N = (
            np.repeat(self.starts_U1[1:], self.lengths_U) - np.arange(len(self.items_N)) <= length
        )
        starts_U1 = starts(np.minimum(self.lengths_U, length))
        return replace(self._events(keep_N), starts_U1=starts_U1)

    def every_type(self, strengths: Mapping[str, float] | None = None) -> "Histories":
        """The same users with their events of all types, in order of time.

        ``strengths``: event type → what its weights are multiplied by; a type that has none or 0 is
        left out. None: all types, with their weights.
        """
        both = self
        if self.others is not None:
            both = joined_events(replace(self, others=None), self.others)
        if strengths is None:
            return both
        strength_N = np.array([strengths.get(name, 0.0) for name in EVENT_TYPES])[both.places_N]
        if (strength_N == 1).all():
            return both
        weighted = replace(both, weights_N=(both.weights_N * strength_N).astype(np.float32))
        return weighted.only(strength_N > 0)

    def _events(self, kept_N: IntArray | npt.NDArray[np.bool_]) -> "Histories":
        """Some of the events, which users they are of aside."""
        return replace(
            self,
            items_N=self.items_N[kept_N],
            times_N=self.times_N[kept_N],
            weights_N=self.weights_N[kept_N],
            types_N=None if self.types_N is None else self.types_N[kept_N],
        )

    def matrix(self, values_N: npt.NDArray[np.floating]) -> sp.csr_matrix:
        """Values summed over the events of each (user, item): float32, U x I."""
        shape = (len(self), self.item_count)
        matrix = sp.csr_matrix(
            (values_N.astype(np.float32), self.items_N, self.starts_U1), shape, copy=True
        )
        matrix.sum_duplicates()
        return matrix

    def counts_I(self) -> IntArray:
        """Events of each item."""
        return np.bincount(self.items_N, minlength=self.item_count)

    def counts_of_every_type_I(self) -> IntArray:
        """Events of each item, of all types."""
        others_I = 0 if self.others is None else self.others.counts_I()
        return self.counts_I() + others_I


@dataclass(frozen=True)
class Dataset:
    """A snapshot's users, catalogue and events. Rows of ``users`` and ``items`` (the whole
    marts, items with their vectors) are in the order of ``user_ids`` and ``item_ids``, which are
    sorted."""

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    histories: Histories
    users: pa.Table
    items: pa.Table


def read_dataset(snapshot: "Snapshot") -> Dataset:
    """Read a snapshot's marts.

    Raises DataError when there are no events, when an event isn't before the snapshot's ``as_of``,
    when a sequence isn't in order of time, or when its item or user has no row in its mart.
    """
    users = read_file(snapshot.mart("users")).sort_by("user_id")
    items = read_file(snapshot.mart("items")).sort_by("item_id")
    if snapshot.mart("item_embeddings").exists():
        items = with_vectors(items, read_file(snapshot.mart("item_embeddings")))
    # each of a million events is decoded and looked up by its place among the distinct items
    sequences = read_file(snapshot.mart("sequences"), ["item_ids.list.element"])
    histories = _histories(sequences, users["user_id"], items["item_id"], epoch(snapshot.as_of))
    return Dataset(
        tuple(users["user_id"].to_pylist()),
        tuple(items["item_id"].to_pylist()),
        histories,
        users,
        items,
    )


def read_file(path: Path, dictionaries: Sequence[str] = ()) -> pa.Table:
    """A whole Parquet file; ``read_table`` would import pandas first, for a second.

    ``dictionaries``: paths of columns to read as distinct values and their places.
    """
    from penchant.encryption import parquet as pq  # which a benchmark on a GPU lacks

    return pq.ParquetFile(path, read_dictionary=list(dictionaries)).read()


def epoch(moment: datetime) -> int:
    """Seconds since 1970; a time without a zone is UTC."""
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def starts(lengths_U: IntArray) -> IntArray:
    """Where each part of a ragged array starts, with the total length at the end."""
    return np.concatenate([[0], np.cumsum(lengths_U)]).astype(np.int64)


def joined(first: Histories, second: Histories) -> Histories:
    """The users of both, which have the same catalogue and end."""
    return Histories(
        np.concatenate([first.users_U, second.users_U]),
        starts(np.concatenate([first.lengths_U, second.lengths_U])),
        np.concatenate([first.items_N, second.items_N]),
        np.concatenate([first.times_N, second.times_N]),
        np.concatenate([first.weights_N, second.weights_N]),
        first.item_count,
        first.end,
    )


def joined_events(first: Histories, second: Histories) -> Histories:
    """The events of both, of the same users, by time and then by event type."""
    rows_N = np.concatenate([first.rows_N, second.rows_N])
    times_N = np.concatenate([first.times_N, second.times_N])
    types_N = np.concatenate([first.places_N, second.places_N])
    order_N = np.lexsort((types_N, times_N, rows_N))
    return replace(
        first,
        starts_U1=starts(first.lengths_U + second.lengths_U),
        items_N=np.concatenate([first.items_N, second.items_N])[order_N],
        times_N=times_N[order_N],
        weights_N=np.concatenate([first.weights_N, second.weights_N])[order_N],
        types_N=types_N[order_N],
    )


def _histories(
    sequences: pa.Table, user_ids: pa.ChunkedArray, item_ids: pa.ChunkedArray, end: int
) -> Histories:
    order = rows_of(sequences["user_id"], user_ids, "user", "users")
    sequences = sequences.take(pa.array(np.argsort(order)))
    lengths_U = np.zeros(len(user_ids), np.int64)
    lengths_U[np.sort(order)] = pc.list_value_length(sequences["item_ids"]).to_numpy()
    every_type = Histories(
        users_U=np.arange(len(user_ids)),
        starts_U1=starts(lengths_U),
        items_N=rows_of(pc.list_flatten(sequences["item_ids"]), item_ids, "item", "items").astype(
            np.int32
        ),
        times_N=_seconds(pc.list_flatten(sequences["event_ats"])),
        weights_N=pc.list_flatten(sequences["weights"]).to_numpy().astype(np.float32),
        item_count=len(item_ids),
        end=end,
        types_N=_types(sequences),
    )
    _check(every_type)
    return _by_target(every_type, sequences["target_event_type"][0].as_py())


def _types(sequences: pa.Table) -> TypeArray:
    """Places in ``EVENT_TYPES``. Raises DataError for another event type."""
    names = pc.list_flatten(sequences["event_types"]).cast(pa.string())
    places = pc.index_in(names, pa.array(EVENT_TYPES))
    if places.null_count:
        raise DataError(
            f"mart sequences has {places.null_count} events of types other than "
            f"{', '.join(EVENT_TYPES)}",
            "fix the dbt mart",
        )
    return places.to_numpy().astype(np.int8)


def _by_target(every_type: Histories, target: str) -> Histories:
    """The events of the type to predict, with those of the other types beside them."""
    is_target_N = every_type.places_N == EVENT_TYPES.index(target)
    if not is_target_N.any():
        raise DataError(
            f"mart sequences has no event of the type {target!r}, which families predict",
            "unset PENCHANT_TARGET_EVENT_TYPE, or set a type that the shop records; then "
            "`penchant build` again",
        )
    if is_target_N.all():
        return every_type
    return replace(every_type.only(is_target_N), others=every_type.only(~is_target_N))


def rows_of(
    values: pa.ChunkedArray, index: pa.ChunkedArray, what: str, mart: str, naming: str = "sequences"
) -> IntArray:
    """The row of each value in ``index``, a column of ``mart``; DataError where one has none."""
    known = index.combine_chunks()
    if pa.types.is_dictionary(values.type):
        places = [pc.index_in(one.dictionary, known).take(one.indices) for one in values.chunks]
        rows = pa.chunked_array(places, pa.int32())
    else:
        rows = pc.index_in(values, known)
    if rows.null_count:
        raise DataError(
            f"mart {naming} has {rows.null_count} {what}s without a row in mart {mart}",
            "run `penchant check`: referential integrity is broken",
        )
    return rows.to_numpy().astype(np.int64)


def _seconds(times: pa.ChunkedArray) -> IntArray:
    return without_zone(times).cast(pa.int64()).to_numpy() // 1_000_000


def without_zone(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Timestamps in microseconds, UTC, without a zone."""
    return times.cast(pa.timestamp("us"))


def _check(histories: Histories) -> None:
    if not len(histories.items_N):
        raise DataError("mart sequences has no events", "land data, then run `penchant build`")
    late = int((histories.times_N >= histories.end).sum())
    if late:
        raise DataError(
            f"mart sequences has {late} events at or after as_of",
            "run `penchant build` again: as_of must be after the last event",
        )
    same_user = np.diff(histories.rows_N) == 0
    if (np.diff(histories.times_N)[same_user] < 0).any():
        raise DataError(
            "mart sequences is not in order of time",
            "order the arrays of mart sequences by event_at",
        )
    if not (np.isfinite(histories.weights_N) & (histories.weights_N > 0)).all():
        raise DataError(
            "mart sequences has a weight that is not a positive number",
            "fix the weight in the dbt mart",
        )
