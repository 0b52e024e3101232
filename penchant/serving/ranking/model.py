"""The ranking model of a release as trees in memory."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from penchant.artifacts import RankingModelRecord
from penchant.encryption.encrypted_file import read_bytes
from penchant.errors import DataError
from penchant.ranking.tree_ensemble import Bits, TreeEnsemble
from penchant.releases.item_arrays import FloatArray64, IntArray
from penchant.serving.ranking.item_features import ItemFeatures
from penchant.serving.ranking.online_features import RequestFeatures

MAX_PARTS = 20  # more than a request has blocks


class RankingModel:
    """Safe to share between threads.

    What the trees keep of an item's features is computed when the item is first ranked, and kept:
    its features are the same for all requests.
    """

    def __init__(self, trees: TreeEnsemble, items: ItemFeatures) -> None:
        self.trees, self._items = trees, items
        self._part_of = lru_cache(MAX_PARTS)(trees.part)
        self._known_I = np.zeros(len(items.values_I), bool)
        # pages are taken when written, so items that no request finds take no memory
        self._kept_IT = np.zeros((len(items.values_I), len(trees.leaf_values_TL)), trees.kind)

    @classmethod
    def open(cls, path: Path, record: RankingModelRecord, items: ItemFeatures) -> "RankingModel":
        """Raises DataError for a file that isn't a model over the record's features."""
        try:
            trees = TreeEnsemble.of(read_bytes(path).decode())
        except (ValueError, KeyError, IndexError) as error:
            raise DataError(f"{path}: {error}", RankingModelRecord.REMEDY) from error
        if trees.features != len(record.features):
            raise DataError(
                f"{path}: the model has {trees.features} inputs, its record names "
                f"{len(record.features)} features",
                RankingModelRecord.REMEDY,
            )
        return cls(trees, items)

    def raw_scores(self, request: RequestFeatures) -> FloatArray64:
        """Scores that rank; the record's calibration makes probabilities of them."""
        left_CT = self._kept_of_items(request.items_C)
        for block in request.blocks:
            part = self._part_of(block.features)
            kept_RT = part.kept(block.features_FR)
            if block.place_C is None:
                left_CT &= kept_RT
            else:
                kept_RT = np.concatenate([kept_RT, part.missing_T[None]])
                left_CT &= kept_RT.take(block.place_C, axis=0, mode="wrap")  # -1: the last
        return self.trees.scores(left_CT)

    def _kept_of_items(self, items_C: IntArray) -> Bits:
        """A copy of kept_CT, by the features of items."""
        new_N = items_C[~self._known_I[items_C]]
        if len(new_N):
            part = self._part_of(self._items.plan.features)
            self._kept_IT[new_N] = part.kept(self._items.of(new_N))
            self._known_I[new_N] = True
        return self._kept_IT.take(items_C, axis=0)
