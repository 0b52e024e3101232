"""Pairs of users and candidates with the features of the ranking model and their labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penchant.errors import DataError
from penchant.ranking.features import FEATURE_TIME, Features, ranking_features
from training.data.feature_history import FeatureTables
from training.data.histories import Histories, IntArray
from training.data.split import Window
from training.layers.ranking.candidate_sources import Source
from training.layers.ranking.source_lists import SourceLists, union

USERS_A_PART = 300  # whose features are computed at once; bounds the memory


@dataclass(frozen=True)
class Pairs:
    """C pairs of B users and their candidates, user by user, items ascending.

    ``row_C``: the user's row in the batch. ``seen_C``: the user had the item before.
    """

    row_C: IntArray
    item_C: IntArray
    seen_C: npt.NDArray[np.bool_]
    features_CF: Features
    users: int

    def labels(self, targets: Histories) -> npt.NDArray[np.bool_]:
        """Whether the user acted on the item in a window."""
        items = targets.item_count
        target_N = np.unique(targets.rows_N * items + targets.items_N)
        return np.isin(self.row_C * items + self.item_C, target_N)


def pairs_of(lists: Mapping[Source, SourceLists], batch: Histories, tables: FeatureTables) -> Pairs:
    """The candidates of the sources for a batch of users, with features as of ``tables``."""
    items = batch.item_count
    cell_C = union([one.first(source.candidates) for source, one in lists.items()], items)
    row_C, item_C = np.divmod(cell_C, items)
    user_C = batch.users_U[row_C]
    raw = tables.raw(user_C, item_C)
    _check_point_in_time(raw, tables.moment)
    listed = {source.family: one.listed(cell_C, items) for source, one in lists.items()}
    features_CF = ranking_features(tables.columns, raw, listed, float(tables.moment), len(cell_C))
    seen_C = np.isin(cell_C, batch.rows_N * items + batch.items_N)
    return Pairs(row_C, item_C, seen_C, features_CF, len(batch))


@dataclass(frozen=True)
class RankingExamples:
    """What a ranking model learns from: candidates of users at several past moments.

    ``counts_G``: candidates of each user and moment. ``label_C``: the user acted on the item in the
    window after the moment.
    """

    features_CF: Features
    label_C: npt.NDArray[np.bool_]
    counts_G: IntArray


def joined(parts: Sequence[RankingExamples]) -> RankingExamples:
    """All examples together."""
    return RankingExamples(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0]))
    )


def labelled(
    pairs: Pairs, window: Window, share_of_negatives: float, random: np.random.Generator
) -> RankingExamples:
    """Targets among the candidates and a share of the others, of users who have such targets."""
    label_C = pairs.labels(window.targets)
    useful_B = np.bincount(pairs.row_C[label_C], minlength=pairs.users) > 0
    kept_C = useful_B[pairs.row_C]
    kept_C &= label_C | (random.random(len(label_C)) < share_of_negatives)
    counts_B = np.bincount(pairs.row_C[kept_C], minlength=pairs.users)
    return RankingExamples(pairs.features_CF[kept_C], label_C[kept_C], counts_B[useful_B])


def _check_point_in_time(raw: Mapping[str, npt.NDArray[np.generic]], moment: int) -> None:
    """Raise DataError on feature leakage: a row that was not yet valid at the moment."""
    for name, values_C in raw.items():
        if name.endswith(FEATURE_TIME) and (
            late := int((np.asarray(values_C, np.float64) > moment).sum())
        ):
            raise DataError(
                f"feature leakage: {late} pairs have {name} after "
                f"{np.datetime64(moment, 's')}, the moment of their features",
                "join each entity's latest row at or before the moment",
            )
