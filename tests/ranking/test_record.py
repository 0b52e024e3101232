"""The record of a ranking model: what it accepts, and how it is verified."""

from pathlib import Path
from typing import Any

import pytest

from penchant.artifacts import (
    Calibration,
    CandidateSource,
    ModelFile,
    RankingModelRecord,
)
from penchant.encryption.encrypted_file import sha256_of
from penchant.errors import DataError
from penchant.ranking.features import FeatureColumn, feature_names
from penchant.releases.model_file import ranking_model_in

COLUMN = FeatureColumn("user_item_statistics", "pair_pieces", "number")


def record(folder: Path, **fields: Any) -> RankingModelRecord:
    """A record of a model file in ``folder``."""
    model = folder / "ranking_model.txt"
    model.write_text("tree")
    sources = (CandidateSource(name="tifu_knn", key="user", length=200),)
    neutral: dict[str, Any] = {
        "run_id": "lambdamart-1",
        "family": "lambdamart",
        "snapshot_id": "s-1",
        "service_features": (COLUMN.reference,),
        "columns": (COLUMN,),
        "sources": sources,
        "features": feature_names([COLUMN], ["tifu_knn"]),
        "candidates": 500,
        "model": ModelFile(name=model.name, sha256=sha256_of(model), trees=1, max_leaves=31),
        "calibration": Calibration(scores=(-1.0, 2.0), probabilities=(0.01, 0.3)),
    }
    return RankingModelRecord(**neutral | fields)


def test_reads_as_written(tmp_path: Path) -> None:
    written = record(tmp_path)
    written.write(RankingModelRecord.path(tmp_path))
    assert ranking_model_in(tmp_path) == written


def test_is_none_without_a_ranking_model(tmp_path: Path) -> None:
    assert ranking_model_in(tmp_path) is None


def test_rejects_a_model_file_that_changed(tmp_path: Path) -> None:
    record(tmp_path).write(RankingModelRecord.path(tmp_path))
    (tmp_path / "ranking_model.txt").write_text("other tree")
    with pytest.raises(DataError, match="SHA-256 must be"):
        ranking_model_in(tmp_path)


def test_rejects_feature_names_that_its_columns_do_not_make(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="features must be those of the columns"):
        record(tmp_path, features=("pieces",))


def test_rejects_a_calibration_that_falls() -> None:
    with pytest.raises(ValueError, match="must not fall"):
        Calibration(scores=(0.0, 1.0), probabilities=(0.5, 0.4))


def test_names_both_lists_where_the_service_has_other_features(tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        record(tmp_path).require_service(["user_item_statistics__pair_views"])
    assert "trained on user_item_statistics__pair_pieces" in str(raised.value)
    assert "the service has user_item_statistics__pair_views" in str(raised.value)
