"""The retriever's encoder in a release, verified, with the histories that it reads."""

import shutil
from datetime import UTC
from pathlib import Path

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from penchant.artifacts import RunRecord
from penchant.artifacts.release import EncoderDescription
from penchant.encoders import histories
from penchant.encoders.encoder import FOLDER, Encoder
from penchant.encryption import parquet as pq
from penchant.errors import DataError
from penchant.publishing.key_ranges import RANGE, in_parts
from penchant.publishing.selected_runs import Run, SelectedRuns
from penchant.sequences import target_type
from penchant.vectors import FloatArray, matrix

CLOSE = 1e-4
"""Largest difference of an encoded vector from the trained one, relative to the largest component
where that is above 1."""
USERS_A_PART = 20_000
VERIFIED = 200  # users, evenly spread


def write(staging: Path, selected: SelectedRuns) -> EncoderDescription | None:
    """Copy the encoder into a release; None for a retriever without an encoder.

    Raises DataError where it is corrupt or does not reproduce the trained vectors.
    """
    run, snapshot = selected.retriever, selected.snapshot
    if run is None or not _has_one(run):
        return None
    shutil.copytree(run.path / FOLDER, staging / FOLDER)
    encoder = Encoder.open(staging / FOLDER)
    mart, query = snapshot.mart("sequences"), f"FROM source WHERE user_id {RANGE} ORDER BY user_id"
    sequences = in_parts(mart, "user_id", query, USERS_A_PART)
    as_of = int(snapshot.as_of.replace(tzinfo=UTC).timestamp())
    folder = staging / histories.FOLDER
    histories.write(folder, sequences, encoder.items, as_of, encoder.latest, encoder.strengths)
    published = histories.Histories.open(folder, encoder.items)
    verified_users, largest_difference = _verified(run, encoder, published)
    return EncoderDescription(
        family=run.family,
        as_of=snapshot.as_of,
        learned_from=target_type(pq.ParquetFile(mart).read(["target_event_type"])),
        latest=encoder.latest,
        verified_users=verified_users,
        largest_difference=largest_difference,
    )


def _has_one(run: Run) -> bool:
    """Raises DataError for a lost encoder."""
    if (run.path / FOLDER).is_dir():
        return True
    if "encodes" in RunRecord.read(RunRecord.path(run.path)).capabilities:
        raise DataError(
            f"run {run.id} has lost its encoder, {run.path / FOLDER}", f"train {run.family} again"
        )
    return False


def _verified(run: Run, encoder: Encoder, published: histories.Histories) -> tuple[int, float]:
    """How many users were verified, and the largest difference."""
    trained = pq.read_table(run.path / "user_vectors.parquet")
    spread = np.linspace(0, trained.num_rows - 1, min(VERIFIED, trained.num_rows))
    sample = trained.take(pa.array(np.unique(spread.astype(int))))
    worst = 0.0
    with threadpool_limits(1):  # a user's matrices are small, and more threads wait for each other
        folded = [encoder.encode(published.of(user)) for user in sample["user_id"].to_pylist()]
    for user_id, folded_D, vector_D in zip(
        sample["user_id"].to_pylist(), folded, matrix(sample), strict=True
    ):
        worst = max(worst, _difference(folded_D, vector_D))
        if not worst <= CLOSE:  # NaN too
            raise DataError(
                f"the encoder of {run.id} gives user {user_id!r} a vector that differs by "
                f"{worst:.2g} from the trained one, more than {CLOSE}; nothing was published",
                f"train {run.family} on this snapshot again, or report a defect of the family",
            )
    return sample.num_rows, worst


def _difference(folded_D: FloatArray, trained_D: FloatArray) -> float:
    if folded_D.shape != trained_D.shape:
        return float("inf")
    return float(np.abs(folded_D - trained_D).max() / max(1.0, np.abs(trained_D).max()))
