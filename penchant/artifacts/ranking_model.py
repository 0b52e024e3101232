"""A ranking model: its input features in order, candidate sources, objective and model file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from penchant.artifacts.record import Interval, Part, Record
from penchant.errors import DataError
from penchant.ranking.features import FeatureColumn, feature_names

SERVICE = "ranking"
"""The feature service that ranking models read."""
MAX_LEAVES = 64  # of a tree: what serving evaluates, see serving/ranking/tree_ensemble.py

SourceKey = Literal["user", "item", "segment", "all"]
EVERYBODY = "all"
"""The key of the one list of a source of everybody."""


class CandidateSource(Part):
    """Lists of candidates, best first, whose scores and ranks may be features. ``key``: what a list
    is of: a user, an item (its co-occurring items), a segment of users, or everybody. ``length``:
    items of a list at most. ``candidates``: of these, how many are candidates; the others only have
    scores and ranks; None: all. ``recall_at_100``: on the validation window."""

    name: str
    key: SourceKey
    length: int = Field(gt=0)
    candidates: int | None = Field(None, gt=0)
    recall_at_100: Interval | None = None


class ModelFile(Part):
    """``name``: in the directory of the record. ``kind``: text of LightGBM, numerical splits only,
    or an ONNX graph from ``features`` to ``scores``, without trees."""

    kind: Literal["lightgbm", "onnx"] = "lightgbm"
    name: str
    sha256: str
    trees: int = 0
    max_leaves: int = Field(0, le=MAX_LEAVES)


class Calibration(Part):
    """A piecewise linear, rising function from a raw score to a probability; constant outside."""

    scores: tuple[float, ...] = Field(min_length=1)
    probabilities: tuple[float, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_points(self) -> "Calibration":
        if len(self.scores) != len(self.probabilities):
            raise ValueError("scores and probabilities have different lengths")
        if list(self.scores) != sorted(set(self.scores)):
            raise ValueError("scores must rise from point to point")
        if list(self.probabilities) != sorted(self.probabilities):
            raise ValueError("probabilities must not fall from point to point")
        if self.probabilities[0] < 0 or self.probabilities[-1] > 1:
            raise ValueError("probabilities must be from 0 to 1")
        return self


class RankingModelRecord(Record):
    """``ranking_model.json`` of a run and of a release.

    ``service_features``: all features of the feature service that it was trained on, also those
    that it doesn't read, as ``view__feature``. ``columns`` and ``sources``: what its features are
    made of. ``features``: their names, in the order of the model's inputs. ``candidates``: of a
    request. ``calibration``: None where scores only rank. ``importance``: by feature, adds up to 1:
    the gain of trees, the absolute gradient of a network.
    """

    REMEDY = "run `penchant train --family lambdamart`, then `penchant publish` again"

    run_id: str
    family: str
    snapshot_id: str
    feature_service: str = SERVICE
    service_features: tuple[str, ...]
    columns: tuple[FeatureColumn, ...]
    sources: tuple[CandidateSource, ...] = Field(min_length=1)
    features: tuple[str, ...]
    candidates: int = Field(gt=0)
    model: ModelFile
    calibration: Calibration | None = None
    importance: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_features(self) -> "RankingModelRecord":
        made = feature_names(self.columns, [source.name for source in self.sources])
        if made != self.features:
            raise ValueError(
                f"features must be those of the columns and sources, {', '.join(made)}; "
                f"got {', '.join(self.features)}"
            )
        return self

    @staticmethod
    def path(folder: Path) -> Path:
        """The file in a run's or a release's directory."""
        return folder / "ranking_model.json"

    @staticmethod
    def lists_path(run: Path) -> Path:
        """The lists of all sources in a run's directory: the columns source, key, item_ids and
        scores, best first."""
        return run / "candidates.parquet"

    def require_service(self, service_features: Iterable[str]) -> None:
        """Raise DataError with both lists unless the service has the features it was trained on."""
        served = tuple(service_features)
        if set(served) != set(self.service_features):
            raise DataError(
                f"{self.run_id} was trained on other features than the feature service "
                f"{self.feature_service} has: trained on {', '.join(sorted(self.service_features))}"
                f"; the service has {', '.join(sorted(served))}",
                f"train {self.family} on this snapshot again, then `penchant select-models`",
            )
