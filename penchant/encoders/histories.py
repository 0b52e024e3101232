"""All users' histories of a release, as arrays on disk, which its encoder reads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penchant.encoders.history import History
from penchant.encoders.ids import Ids
from penchant.errors import DataError
from penchant.interactions import EVENT_TYPES
from penchant.sequences import events_of, target_type
from penchant.vectors import FloatArray, load_array

FOLDER = "histories"
DAY = 86_400  # seconds
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Histories:
    """All users' events, concatenated: user u has ``starts_U1[u]:starts_U1[u + 1]``. ``rows_N``:
    items, as rows of the encoder's catalogue. ``types_N``: places in ``EVENT_TYPES``."""

    users: Ids
    items: Ids
    starts_U1: npt.NDArray[np.int64]
    rows_N: npt.NDArray[np.int32]
    ages_N: FloatArray
    weights_N: FloatArray
    types_N: npt.NDArray[np.int8]

    @classmethod
    def open(cls, folder: Path, items: Ids) -> "Histories":
        arrays = (
            load_array(folder / f"{name}.npy")
            for name in ("starts", "rows", "ages", "weights", "types")
        )
        return cls(Ids.open(folder / "user_ids.npy"), items, *arrays)

    def of(self, user_id: str) -> History:
        """A user's events before ``as_of``; empty for an unknown user."""
        (row,) = self.users.rows([user_id])
        if row < 0:
            return History.empty()
        events = slice(self.starts_U1[row], self.starts_U1[row + 1])
        return History(
            self.items.names(self.rows_N[events]),
            np.array(self.ages_N[events]),
            np.array(self.weights_N[events]),
            np.array(self.types_N[events], np.int64),
        )


def write(
    folder: Path,
    parts: Iterable[pa.Table],
    items: Ids,
    as_of: int,
    latest: int | None,
    strengths: Mapping[str, float] | None = None,
) -> None:
    """Write each user's ``latest`` events of the mart ``sequences``, or all of them.

    ``parts``: of the mart, sorted by user. ``as_of``: seconds since 1970. ``strengths``: of event
    types, whose events are written with their weights times that; None for the type to predict
    alone. A user who has no event of a type with strength keeps all events, where ``strengths`` are
    given. Events of one second are in the order of ``EVENT_TYPES``, as in training. Raises
    DataError for an item outside the encoder's catalogue: the encoder is then of another snapshot.
    """
    of_parts = [_arrays(part, items, as_of, latest, strengths) for part in parts]
    folder.mkdir()
    for name in list(of_parts[0]):
        array = np.concatenate([arrays.pop(name) for arrays in of_parts])
        if name == "lengths":
            name, array = "starts", np.concatenate([[0], np.cumsum(array)]).astype(np.int64)
        np.save(folder / f"{name}.npy", array)


def _arrays(
    sequences: pa.Table,
    items: Ids,
    as_of: int,
    latest: int | None,
    strengths: Mapping[str, float] | None,
) -> dict[str, npt.NDArray[Any]]:
    """The arrays of some users by the names of their files; ``lengths`` in place of ``starts``."""
    given = {target_type(sequences): 1.0} if strengths is None else strengths
    strength_T = np.array([given.get(name, 0.0) for name in EVENT_TYPES])
    events = events_of(sequences)
    types_N = pc.index_in(events["event_type"], pa.array(EVENT_TYPES)).to_numpy()
    times_N = events["event_at"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    times_N = times_N // _MICROSECONDS
    users_N = pc.index_in(events["user_id"], sequences["user_id"].combine_chunks()).to_numpy()
    read_N = np.lexsort((types_N, times_N, users_N))
    strength_N = strength_T[types_N]
    if strengths is not None:
        unread_U = np.bincount(users_N, strength_N, minlength=len(sequences)) == 0
        strength_N = np.where(unread_U[users_N], 1.0, strength_N)
    read_N = read_N[strength_N[read_N] > 0]
    lengths_U = np.bincount(users_N[read_N], minlength=len(sequences))
    to_end_N = np.repeat(np.cumsum(lengths_U), lengths_U) - np.arange(lengths_U.sum())
    read_N = read_N[to_end_N <= (latest or np.inf)]
    names = events["item_id"].cast(pa.string()).combine_chunks().dictionary_encode()
    rows_J = items.rows(names.dictionary.to_pylist())
    if (rows_J < 0).any():
        raise DataError(
            f"the encoder lacks item {names.dictionary[int(np.argmin(rows_J))].as_py()!r}",
            "train the retriever's family on this snapshot again",
        )
    weights_N = events["weight"].to_numpy().astype(np.float32) * strength_N
    users = [each.encode() for each in sequences["user_id"].to_pylist()]
    return {
        "user_ids": np.array(users, np.bytes_),
        "lengths": lengths_U if latest is None else np.minimum(lengths_U, latest),
        "rows": rows_J[names.indices.to_numpy()].astype(np.int32)[read_N],
        "ages": ((as_of - times_N[read_N]) / DAY).astype(np.float32),
        "weights": weights_N.astype(np.float32)[read_N],
        "types": types_N[read_N].astype(np.int8),
    }
