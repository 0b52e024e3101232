"""The record of a ranking model, with the hash of its model file verified."""

from pathlib import Path

from penchant.artifacts import RankingModelRecord
from penchant.encryption.encrypted_file import sha256_of
from penchant.errors import DataError


def ranking_model_in(folder: Path) -> RankingModelRecord | None:
    """Of a run or a release; None where the folder has no ranking model.

    Raises DataError for a record that can't be read and for a model file with another hash.
    """
    try:
        record = RankingModelRecord.read(RankingModelRecord.path(folder))
    except FileNotFoundError:
        return None
    path = folder / record.model.name
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        found = "no file"
    if found != record.model.sha256:
        raise DataError(
            f"{path}: SHA-256 must be {record.model.sha256}, got {found}",
            RankingModelRecord.REMEDY,
        )
    return record
