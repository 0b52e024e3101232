"""The ranking model of a release in memory."""

from dataclasses import dataclass
from pathlib import Path

from penchant.artifacts import RankingModelRecord
from penchant.errors import DataError
from penchant.ranking.features import Features
from penchant.ranking.tree_ensemble import TreeEnsemble
from penchant.releases.item_arrays import FloatArray64


@dataclass(frozen=True)
class RankingModel:
    """Safe to share between threads."""

    trees: TreeEnsemble

    @classmethod
    def open(cls, path: Path, record: RankingModelRecord) -> "RankingModel":
        """Raises DataError for a file that isn't a model over the record's features."""
        try:
            trees = TreeEnsemble.of(path.read_text())
        except (ValueError, KeyError, IndexError) as error:
            raise DataError(f"{path}: {error}", RankingModelRecord.REMEDY) from error
        if trees.features != len(record.features):
            raise DataError(
                f"{path}: the model has {trees.features} inputs, its record names "
                f"{len(record.features)} features",
                RankingModelRecord.REMEDY,
            )
        return cls(trees)

    def raw_scores(self, features_CF: Features) -> FloatArray64:
        """Scores that rank; the record's calibration makes probabilities of them."""
        return self.trees.raw_scores(features_CF)
