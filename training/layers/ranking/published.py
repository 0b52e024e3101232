"""What serving needs of a ranking model: its record and file, and the sources' lists."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.isotonic import IsotonicRegression

from penchant.artifacts import Calibration, CandidateSource, ModelFile
from penchant.artifacts.ranking_model import EVERYBODY, sha256_of
from penchant.artifacts.record import Interval
from training.data.histories import Dataset
from training.evaluation.metrics.calibration import bins_of
from training.layers.ranking.candidate_sources import Source
from training.layers.ranking.remembered_lists import RememberedLists
from training.layers.ranking.source_lists import NONE, SourceLists

FILE = "ranking_model.txt"
USERS_A_PART = 500
POINTS = 100  # of a calibration at most


def write_trees(booster: lgb.Booster, folder: Path, leaves: int) -> ModelFile:
    """Write the trees as LightGBM's text."""
    (folder / FILE).write_text(booster.model_to_string())
    return ModelFile(
        name=FILE,
        sha256=sha256_of(folder / FILE),
        trees=booster.num_trees(),
        max_leaves=leaves,
    )


def source_records(
    sources: Sequence[Source], recall: Mapping[str, Interval | None]
) -> tuple[CandidateSource, ...]:
    """The sources as serving reads them. ``recall``: at 100, by family."""
    return tuple(
        CandidateSource(
            name=source.family,
            key=source.key,
            length=source.depth.length,
            candidates=min(source.candidates, source.depth.length),
            recall_at_100=recall[source.family],
        )
        for source in sources
    )


def candidate_table(remembered: RememberedLists, dataset: Dataset) -> pa.Table:
    """The lists of all sources at the end of the data: source, key, item_ids and scores."""
    item_ids, user_ids = np.array(dataset.item_ids), np.array(dataset.user_ids)
    tables: dict[str, list[pa.Table]] = {one.source.family: [] for one in remembered.sources}
    for part in dataset.histories.parts(USERS_A_PART):
        for source, lists in remembered.of(part).items():
            if source.key == "user":
                keys = user_ids[part.users_U].tolist()
                tables[source.family].append(_table(source.family, keys, lists, item_ids))
            elif not tables[source.family]:
                lists = SourceLists(lists.items_BL[:1], lists.score_BL[:1])
                tables[source.family].append(_table(source.family, [EVERYBODY], lists, item_ids))
    return pa.concat_tables(table for of_source in tables.values() for table in of_source)


def _table(
    family: str, keys: list[str], lists: SourceLists, item_ids: npt.NDArray[np.str_]
) -> pa.Table:
    on_BL = lists.items_BL != NONE
    offsets = pa.array(np.concatenate([[0], on_BL.sum(axis=1).cumsum()]), pa.int32())
    items = pa.array(item_ids[lists.items_BL[on_BL]], pa.string())
    scores = pa.array(lists.score_BL[on_BL], pa.float32())
    return pa.table(
        {
            "source": pa.array([family] * len(keys), pa.string()),
            "key": pa.array(keys, pa.string()),
            "item_ids": pa.ListArray.from_arrays(offsets, items),
            "scores": pa.ListArray.from_arrays(offsets, scores),
        }
    )


def isotonic(
    score_C: npt.NDArray[np.float64], label_C: npt.NDArray[np.bool_]
) -> Calibration | None:
    """Probabilities of scores by isotonic regression (Zadrozny & Elkan 2002), of a few points.

    None where all labels are the same.
    """
    if label_C.all() or not label_C.any():
        return None
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit(score_C, label_C.astype(np.float64))
    scores, probabilities = fitted.X_thresholds_, fitted.y_thresholds_
    kept = np.unique(np.linspace(0, len(scores) - 1, POINTS).astype(np.int64))
    kept = kept[np.concatenate([[True], np.diff(scores[kept]) > 0])]
    return Calibration(
        scores=tuple(scores[kept].tolist()), probabilities=tuple(probabilities[kept].tolist())
    )


def probabilities(
    calibration: Calibration, score_C: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Calibrated probabilities of scores."""
    return np.interp(score_C, calibration.scores, calibration.probabilities)


def reliability(
    probability_C: npt.NDArray[np.float64], label_C: npt.NDArray[np.bool_]
) -> list[tuple[float, float]]:
    """Mean probability and share of labels in each bin of about as many pairs."""
    bin_C = bins_of(probability_C)
    return [
        (float(probability_C[bin_C == each].mean()), float(label_C[bin_C == each].mean()))
        for each in np.unique(bin_C)
    ]
