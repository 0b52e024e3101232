"""Pairs of users and candidates with the features of the ranking model and their labels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penchant.errors import DataError
from penchant.ranking.features import FEATURE_TIME, Features, ranking_features
from training.data.feature_history import FeatureTables
from training.data.histories import Histories, IntArray
from training.data.sorted_cells import occurring
from training.layers.ranking.candidate_sources import Source
from training.layers.ranking.source_lists import SourceLists, union

USERS_A_PART = 300  # whose features are computed at once; bounds the memory


@dataclass(frozen=True)
class Pairs:
    """C pairs of B users and their candidates, user by user, items ascending.

    ``row_C``: the user's row in the batch. ``items``: of the catalogue.
    """

    row_C: IntArray
    item_C: IntArray
    users: int
    items: int

    @property
    def cell_C(self) -> IntArray:
        """Each pair as one number, ascending."""
        return self.row_C * self.items + self.item_C

    def only(self, keep_C: npt.NDArray[np.bool_]) -> "Pairs":
        """Some of the pairs."""
        return Pairs(self.row_C[keep_C], self.item_C[keep_C], self.users, self.items)

    def labels(self, targets: Histories) -> npt.NDArray[np.bool_]:
        """Whether the user acted on the item in a window."""
        return occurring(self.cell_C, targets.rows_N * self.items + targets.items_N)


def pairs_of(lists: Mapping[Source, SourceLists], batch: Histories) -> Pairs:
    """The candidates of the sources for a batch of users."""
    items = batch.item_count
    cell_C = union([one.first(source.candidates) for source, one in lists.items()], items)
    row_C, item_C = np.divmod(cell_C, items)
    return Pairs(row_C, item_C, len(batch), items)


def features_of(
    pairs: Pairs, lists: Mapping[Source, SourceLists], batch: Histories, tables: FeatureTables
) -> Features:
    """The features of pairs as of ``tables``. Raises DataError on feature leakage."""
    cell_C = pairs.cell_C
    raw = tables.raw(batch.users_U[pairs.row_C], pairs.item_C)
    _check_point_in_time(raw, tables.moment)
    listed = {source.family: one.listed(cell_C, pairs.items) for source, one in lists.items()}
    return ranking_features(tables.columns, raw, listed, float(tables.moment), len(cell_C))


@dataclass(frozen=True)
class RankingExamples:
    """What a ranking model learns from: candidates of users at a past moment.

    ``counts_G``: candidates of each user. ``label_C``: the user acted on the item in the window
    after the moment.
    """

    features_CF: Features
    label_C: npt.NDArray[np.bool_]
    counts_G: IntArray


def sampled(
    pairs: Pairs, targets: Histories, share_of_negatives: float, random: np.random.Generator
) -> Pairs:
    """The targets among the candidates and a share of the others, of users who have such
    targets."""
    label_C = pairs.labels(targets)
    useful_B = np.bincount(pairs.row_C[label_C], minlength=pairs.users) > 0
    kept_C = label_C | (random.random(len(label_C)) < share_of_negatives)
    return pairs.only(kept_C & useful_B[pairs.row_C])


def labelled(pairs: Pairs, features_CF: Features, targets: Histories) -> RankingExamples:
    """Pairs as examples."""
    counts_B = np.bincount(pairs.row_C, minlength=pairs.users)
    return RankingExamples(features_CF, pairs.labels(targets), counts_B[counts_B > 0])


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
