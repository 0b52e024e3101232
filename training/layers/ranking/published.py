"""What serving needs of a ranking model: its calibration, and the sources' lists."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.isotonic import IsotonicRegression

from penchant.artifacts import Calibration, CandidateSource
from penchant.artifacts.ranking_model import EVERYBODY
from penchant.artifacts.record import Interval
from training.data.histories import Dataset, Histories
from training.evaluation.metrics.calibration import bins_of
from training.layers.ranking.candidate_sources import Source
from training.layers.ranking.remembered_lists import RememberedLists
from training.layers.ranking.source_lists import NONE, SourceLists

USERS_A_PART = 500
POINTS = 100  # of a calibration, at most


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


def candidate_table(
    remembered: RememberedLists, histories: Histories, dataset: Dataset, of_all: bool
) -> pa.Table:
    """The lists of all sources for users of ``dataset``: source, key, item_ids and scores.
    ``of_all``: also those that are the same for all users."""
    item_ids, user_ids = np.array(dataset.item_ids), np.array(dataset.user_ids)
    tables = []
    for number, part in enumerate(histories.parts(USERS_A_PART)):
        for source, lists in remembered.of(part).items():
            if source.key == "user":
                keys = user_ids[part.users_U].tolist()
                tables.append(_table(source.family, keys, lists, item_ids))
            elif of_all and number == 0:
                lists = SourceLists(lists.items_BL[:1], lists.score_BL[:1])
                tables.append(_table(source.family, [EVERYBODY], lists, item_ids))
    return pa.concat_tables(tables)


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
    """Probabilities of scores by isotonic regression (Zadrozny & Elkan 2002) of bins.

    None where all labels are the same. Bins hold equal parts of the pairs and of the chosen ones
    together, so that they are narrow where probabilities rise, and no single pair is a point.
    """
    if label_C.all() or not label_C.any():
        return None
    score_S, place_C = np.unique(score_C, return_inverse=True)
    count_S = np.bincount(place_C).astype(np.float64)
    chosen_S = np.bincount(place_C, label_C)
    part_S = (count_S / count_S.sum() + chosen_S / chosen_S.sum()) / 2
    middle_S = np.cumsum(part_S) - part_S / 2
    bin_S = np.minimum((POINTS * middle_S).astype(np.int64), POINTS - 1)
    _, bin_S = np.unique(bin_S, return_inverse=True)
    count_P = np.bincount(bin_S, count_S)
    score_P = np.maximum.accumulate(np.bincount(bin_S, score_S * count_S) / count_P)
    share_P = np.bincount(bin_S, chosen_S) / count_P
    share_P = IsotonicRegression().fit_transform(score_P, share_P, sample_weight=count_P)
    kept_P = np.concatenate([[True], np.diff(score_P) > 0])
    return Calibration(
        scores=tuple(score_P[kept_P].tolist()), probabilities=tuple(share_P[kept_P].tolist())
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
