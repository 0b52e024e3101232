"""The ranking model of a release as a network in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penchant.artifacts import RankingModelRecord
from penchant.encoders.onnx_session import open_session
from penchant.errors import DataError
from penchant.releases.item_arrays import FloatArray64
from penchant.serving.ranking.online_features import RequestFeatures

FEATURES, SCORES = "features", "scores"


@dataclass(frozen=True)
class RankingNetwork:
    """Safe to share between threads."""

    session: Any

    @classmethod
    def open(cls, path: Path, record: RankingModelRecord) -> "RankingNetwork":
        """Raises DataError for a file that isn't a graph over the record's features."""
        try:
            session = open_session(path)
        except ValueError as error:
            raise DataError(f"{path}: {error}", RankingModelRecord.REMEDY) from error
        inputs = {each.name: each.shape for each in session.get_inputs()}
        if list(inputs) != [FEATURES] or inputs[FEATURES][-1] != len(record.features):
            raise DataError(
                f"{path}: the graph must have one input {FEATURES!r} of {len(record.features)} "
                f"features, got {inputs}",
                RankingModelRecord.REMEDY,
            )
        return cls(session)

    def raw_scores(self, request: RequestFeatures) -> FloatArray64:
        """Scores that rank; the record's calibration makes probabilities of them."""
        (score_C,) = self.session.run([SCORES], {FEATURES: request.matrix()})
        return np.asarray(score_C, np.float64)
