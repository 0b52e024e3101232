"""All users' histories of a release, as arrays on disk, which its encoder reads."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penchant.encoders.history import History
from penchant.encoders.ids import Ids
from penchant.errors import DataError
from penchant.vectors import FloatArray, load_array

FOLDER = "histories"
DAY = 86_400  # seconds
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Histories:
    """All users' events, concatenated: user u has ``starts_U1[u]:starts_U1[u + 1]``. ``rows_N``:
    items, as rows of the encoder's catalogue."""

    users: Ids
    items: Ids
    starts_U1: npt.NDArray[np.int64]
    rows_N: npt.NDArray[np.int32]
    ages_N: FloatArray
    weights_N: FloatArray

    @classmethod
    def open(cls, folder: Path, items: Ids) -> "Histories":
        arrays = (
            load_array(folder / f"{name}.npy") for name in ("starts", "rows", "ages", "weights")
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
        )


def write(folder: Path, sequences: pa.Table, items: Ids, as_of: int, latest: int | None) -> None:
    """Write each user's ``latest`` events of the mart ``sequences``, or all of them.

    ``as_of``: seconds since 1970. Raises DataError for an item outside the encoder's catalogue: the
    encoder is then of another snapshot.
    """
    sequences = sequences.sort_by("user_id")
    lengths_U = pc.list_value_length(sequences["item_ids"]).to_numpy()
    to_end_N = np.repeat(np.cumsum(lengths_U), lengths_U) - np.arange(lengths_U.sum())
    keep_N = to_end_N <= (latest or np.inf)
    names = pc.list_flatten(sequences["item_ids"]).cast(pa.string()).dictionary_encode()
    names = names.combine_chunks()
    rows_J = items.rows(names.dictionary.to_pylist())
    if (rows_J < 0).any():
        raise DataError(
            f"the encoder lacks item {names.dictionary[int(np.argmin(rows_J))].as_py()!r}",
            "train the retriever's family on this snapshot again",
        )
    times_N = pc.list_flatten(sequences["event_ats"]).cast(pa.timestamp("us")).cast(pa.int64())
    ages_N = (as_of - times_N.to_numpy() // _MICROSECONDS) / DAY
    folder.mkdir()
    users = np.array([each.encode() for each in sequences["user_id"].to_pylist()], np.bytes_)
    np.save(folder / "user_ids.npy", users)
    kept_U = lengths_U if latest is None else np.minimum(lengths_U, latest)
    np.save(folder / "starts.npy", np.concatenate([[0], np.cumsum(kept_U)]).astype(np.int64))
    np.save(folder / "rows.npy", rows_J[names.indices.to_numpy()].astype(np.int32)[keep_N])
    np.save(folder / "ages.npy", ages_N.astype(np.float32)[keep_N])
    weights_N = pc.list_flatten(sequences["weights"]).to_numpy()
    np.save(folder / "weights.npy", weights_N.astype(np.float32)[keep_N])
